"""The records of a ZIP archive, and where each lies. Pure: no file is read, no clock, no checksum computed.

Every offset follows from names and sizes alone, so an archive has its length before its first byte is read;
CRC-32s are filled in when a record is made. References are to PKWARE's APPNOTE 6.3.10.
"""

import calendar
import stat
import struct
import time
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

STORED, DEFLATED = 0, 8

MAX_16, MAX_32 = 0xFFFF, 0xFFFFFFFF
"""From these on a field holds its largest value and the truth is in a ZIP64 record (§4.3.9.2, §4.4.1.4)."""

_LOCAL = struct.Struct("<IHHHIIIIHH")
_CENTRAL = struct.Struct("<IHHHHIIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_END_64 = struct.Struct("<IQHHIIQQQQ")
_LOCATOR_64 = struct.Struct("<IIQI")
_DESCRIPTOR = struct.Struct("<IIII")
_DESCRIPTOR_64 = struct.Struct("<IIQQ")
_TIME_EXTRA = struct.Struct("<HHBi")
_CRC = struct.Struct("<I")
_LOCAL_CRC, _CENTRAL_CRC = 14, 16  # where a record has it

_VERSION, _VERSION_64 = 20, 45
_MADE_BY_UNIX = 3 << 8
_FLAG_DESCRIPTOR, _FLAG_UTF8 = 1 << 3, 1 << 11
_ID_ZIP64, _ID_TIME = 0x0001, 0x5455
_MSDOS_DIRECTORY = 0x10

_FIRST_SECOND = calendar.timegm((1980, 1, 1, 0, 0, 0))
_LAST_SECOND = calendar.timegm((2107, 12, 31, 23, 59, 58))


class Entry(NamedTuple):
    """One member. `name` is UTF-8, a directory's ends in "/"; sizes are in bytes, `mtime` in whole seconds.

    `packed` is how many bytes the data takes in the archive: `size` when stored. `described` says that
    CRC and sizes follow the data in a descriptor, as its compressor did not know them before.
    """

    name: bytes
    size: int
    packed: int
    mtime: int
    mode: int
    method: int = STORED
    described: bool = False


def local_header(entry: Entry, crc: int) -> bytes:
    """The local file header (§4.3.7); of a described entry the same whatever its CRC and packed size."""
    name, size, packed, mtime, _, method, described = entry
    dos_time, extra = _times(mtime)
    version = _VERSION
    if described:
        crc = size = packed = 0  # §4.4.4, bit 3
    if _local_64(entry):
        # §4.5.3: a local header has both sizes. First in the extra area: old Windows looks nowhere else.
        extra = struct.pack("<HHQQ", _ID_ZIP64, 16, size, packed) + extra
        size = packed = MAX_32
        version = _VERSION_64
    fields = _LOCAL.pack(
        0x04034B50, version, _flags(name, described), method, dos_time, crc, packed, size, len(name), len(extra)
    )
    return fields + name + extra


def descriptor_length(entry: Entry) -> int:
    """Length of `descriptor` in bytes; 0 for an entry without one."""
    if not entry.described:
        return 0
    return (_DESCRIPTOR_64 if _local_64(entry) else _DESCRIPTOR).size


def descriptor(entry: Entry, crc: int) -> bytes:
    """What follows the data of a described entry, with the signature that most readers want (§4.3.9)."""
    record = _DESCRIPTOR_64 if _local_64(entry) else _DESCRIPTOR
    return record.pack(0x08074B50, crc, entry.packed, entry.size) if entry.described else b""


def central_record(entry: Entry, crc: int, offset: int, *, all_wide: bool = False) -> bytes:
    """The central directory's record (§4.3.12) of the entry whose local header is at `offset`.

    `all_wide` puts the sizes into the ZIP64 field though they would fit.
    """
    name, size, packed, mtime, mode, method, described = entry
    dos_time, extra = _times(mtime)
    version = _VERSION_64 if _local_64(entry) else _VERSION
    if all_wide or size >= MAX_32 or packed >= MAX_32 or offset >= MAX_32:
        # §4.5.3: only the fields that do not fit, in this order.
        values = [
            (size, all_wide or size >= MAX_32),
            (packed, all_wide or packed >= MAX_32),
            (offset, offset >= MAX_32),
        ]
        wide = [value for value, is_wide in values if is_wide]
        extra = struct.pack(f"<HH{len(wide)}Q", _ID_ZIP64, 8 * len(wide), *wide) + extra
        size, packed, offset = (MAX_32 if is_wide else value for value, is_wide in values)
        version = _VERSION_64
    fields = _CENTRAL.pack(
        0x02014B50,
        _MADE_BY_UNIX | version,
        version,
        _flags(name, described),
        method,
        dos_time,
        crc,
        packed,
        size,
        len(name),
        len(extra),
        0,
        0,
        0,
        _attributes(name, mode),
        offset,
    )
    return fields + name + extra


def end_records(count: int, directory_size: int, directory_start: int, *, wide: bool) -> bytes:
    """The end of the archive (§4.3.16), before it the ZIP64 end record and locator where they are needed.

    `wide` says that an entry has a ZIP64 extra field.
    """
    end = _END.pack(
        0x06054B50,
        0,
        0,
        min(count, MAX_16),
        min(count, MAX_16),
        min(directory_size, MAX_32),
        min(directory_start, MAX_32),
        0,
    )
    if not (wide or count >= MAX_16 or directory_size >= MAX_32 or directory_start >= MAX_32):
        return end
    end_64 = _END_64.pack(
        0x06064B50,
        _END_64.size - 12,  # §4.3.14.1: without the signature and this field
        _MADE_BY_UNIX | _VERSION_64,
        _VERSION_64,
        0,
        0,
        count,
        count,
        directory_size,
        directory_start,
    )
    return end_64 + _LOCATOR_64.pack(0x07064B50, 0, directory_start + directory_size, 1) + end


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

    def add(self, entry: Entry, crc: int = 0, header: bytes = b"") -> None:
        """Append a member; `header` is its local header, if that was made before."""
        if entry.described:
            self._described[len(self)] = entry
        start = self.starts[-1]
        header = header or local_header(entry, crc)
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
            _CRC.pack_into(self._local, self.headers[index] + _LOCAL_CRC, crc)
        _CRC.pack_into(self._central, self.records[index] + _CENTRAL_CRC, crc)

    def header(self, index: int) -> bytes:
        """The local header of an entry."""
        return bytes(self._local[self.headers[index] : self.headers[index + 1]])

    def descriptor(self, index: int) -> bytes:
        """What follows an entry's data; empty for most."""
        entry = self._described.get(index)
        if entry is None:
            return b""
        return descriptor(entry, *_CRC.unpack_from(self._central, self.records[index] + _CENTRAL_CRC))

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


def _local_64(entry: Entry) -> bool:
    """Whether the local header has the ZIP64 field; if described, by the one size known beforehand."""
    return entry.size >= MAX_32 or (entry.packed >= MAX_32 and not entry.described)


def _flags(name: bytes, described: bool) -> int:
    return (_FLAG_DESCRIPTOR if described else 0) | (0 if name.isascii() else _FLAG_UTF8)


def _attributes(name: bytes, mode: int) -> int:
    """Permission bits without setuid, setgid and sticky: who unpacks the archive did not ask for them."""
    if name.endswith(b"/"):
        return (stat.S_IFDIR | (mode & 0o777)) << 16 | _MSDOS_DIRECTORY
    return (stat.S_IFREG | (mode & 0o777)) << 16


@lru_cache(maxsize=1024)
def _times(mtime: int) -> tuple[int, bytes]:
    """Date and time in DOS form (§4.4.6), within 1980..2107, and the "UT" extra field, where it fits.

    Both are in UTC, so that every replica has the same; the field has the same bytes locally and centrally.
    """
    t = time.gmtime(min(max(mtime, _FIRST_SECOND), _LAST_SECOND))
    date = (t.tm_year - 1980) << 9 | t.tm_mon << 5 | t.tm_mday
    dos_time = date << 16 | t.tm_hour << 11 | t.tm_min << 5 | t.tm_sec // 2
    return dos_time, _TIME_EXTRA.pack(_ID_TIME, 5, 1, mtime) if -(1 << 31) <= mtime < 1 << 31 else b""
