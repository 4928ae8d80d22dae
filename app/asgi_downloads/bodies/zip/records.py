"""The records of a ZIP archive. Pure: no file is read, no clock, no checksum computed.

References are to PKWARE's APPNOTE 6.3.10.
"""

import calendar
import stat
import struct
import time
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
LOCAL_CRC, CENTRAL_CRC = 14, 16
"""Where a record has its CRC-32, in bytes."""

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
    start = (0x02014B50, _MADE_BY_UNIX | version, version, _flags(name, described), method, dos_time)
    lengths = (packed, size, len(name), len(extra), 0)
    return _CENTRAL.pack(*start, crc, *lengths, 0, 0, _attributes(name, mode), offset) + name + extra


def end_records(count: int, directory_size: int, directory_start: int, *, wide: bool) -> bytes:
    """The end of the archive (§4.3.16), before it the ZIP64 end record and locator where they are needed.

    `wide` says that an entry has a ZIP64 extra field.
    """
    short, size, start = min(count, MAX_16), min(directory_size, MAX_32), min(directory_start, MAX_32)
    end = _END.pack(0x06054B50, 0, 0, short, short, size, start, 0)
    if not (wide or short == MAX_16 or MAX_32 in (size, start)):
        return end
    length = _END_64.size - 12  # §4.3.14.1: without the signature and this field
    versions = (_MADE_BY_UNIX | _VERSION_64, _VERSION_64)
    end_64 = _END_64.pack(0x06064B50, length, *versions, 0, 0, count, count, directory_size, directory_start)
    return end_64 + _LOCATOR_64.pack(0x07064B50, 0, directory_start + directory_size, 1) + end


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
