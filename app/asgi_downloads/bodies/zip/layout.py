"""Where everything in a ZIP archive lies. Pure.

Every offset follows from names and sizes alone, so an archive has its length before its first byte is read; CRC-32s are
filled in when they are known.
"""

import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterable

from asgi_downloads.bodies.zip.records import (
    CENTRAL_CRC,
    LOCAL_CRC,
    MAX_32,
    Entry,
    central_record,
    descriptor,
    descriptor_length,
    end_records,
    local_header,
)

RECORDS = 4096
"""Records of the central directory that are sent in one go."""

_CRC = struct.Struct("<I")


class Layout:
    """Where everything lies, and every byte that is not a member's data: only CRCs may be missing.

    Entries follow each other from 0, then the central directory, then the end. The records are kept as the bytes
    that they are: 65,600 entries take 10 MiB, and no work when they are sent.
    """

    __slots__ = ("_central", "_described", "_local", "_tricky", "_wide", "headers", "records", "starts")

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.starts = array("Q", [0])
        """Offset of each local header in the archive, and at last of the central directory."""
        self.headers = array("Q", [0])
        """Where each local header begins among them, and at last their length."""
        self.records = array("Q", [0])
        """Where each central record begins in the directory, and at last its length."""
        self._local = bytearray()
        self._central = bytearray()
        self._described: dict[int, Entry] = {}
        self._wide = self._tricky = False
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry, crc: int = 0) -> None:
        """Append a member."""
        if entry.described:
            self._described[len(self)] = entry
        start = self.starts[-1]
        header = local_header(entry, crc)
        self._local += header
        self._central += central_record(entry, crc, start, all_wide=self._tricky)
        # Info-ZIP's unzip 6 takes a true size of 4 GiB - 1 for the mark of a ZIP64 size when it reads the next
        # record, which has a ZIP64 offset and had better have the sizes too. FAT makes files of that size.
        self._tricky = MAX_32 in (entry.size, entry.packed)
        self._wide = self._wide or entry.size >= MAX_32 or entry.packed >= MAX_32
        self.starts.append(start + len(header) + entry.packed + descriptor_length(entry))
        self.headers.append(len(self._local))
        self.records.append(len(self._central))

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def directory_start(self) -> int:
        """Offset of the central directory."""
        return self.starts[-1]

    @property
    def end(self) -> bytes:
        """The records after the central directory."""
        return end_records(len(self), len(self._central), self.directory_start, wide=self._wide)

    @property
    def size(self) -> int:
        """Length of the archive in bytes."""
        return self.directory_start + len(self._central) + len(self.end)

    def set_crc(self, index: int, crc: int) -> None:
        """Fill in the CRC-32 of a member."""
        if index not in self._described:  # its local header has none
            _CRC.pack_into(self._local, self.headers[index] + LOCAL_CRC, crc)
        _CRC.pack_into(self._central, self.records[index] + CENTRAL_CRC, crc)

    def header(self, index: int) -> bytes:
        """The local header of an entry."""
        return bytes(self._local[self.headers[index] : self.headers[index + 1]])

    def descriptor(self, index: int) -> bytes:
        """What follows an entry's data; empty for most."""
        entry = self._described.get(index)
        if entry is None:
            return b""
        return descriptor(entry, *_CRC.unpack_from(self._central, self.records[index] + CENTRAL_CRC))

    def directory(self, first: int, last: int) -> bytes:
        """The central records of entries `[first, last)`."""
        return bytes(self._central[self.records[first] : self.records[last]])

    def data_start(self, index: int) -> int:
        """Offset of the first byte of an entry's data."""
        return self.starts[index] + self.headers[index + 1] - self.headers[index]

    def entry_at(self, offset: int) -> int:
        """Index of the entry whose header, data or descriptor has this byte; `len` from the directory on."""
        return bisect_right(self.starts, offset) - 1

    def record_at(self, offset: int) -> int:
        """Index of the central record that has this byte of the archive; `len` in the end, -1 before the directory."""
        return bisect_right(self.records, offset - self.directory_start) - 1
