"""Records as APPNOTE has them, and a layout that Python's zipfile reads back, whatever is put in."""

import io
import stat
import struct
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_downloads.bodies.zip.layout import Layout
from asgi_downloads.bodies.zip.records import (
    DEFLATED,
    MAX_32,
    Entry,
    central_record,
    descriptor,
    end_records,
    local_header,
)

MTIME = 1_700_000_000
PLAIN = Entry(b"a.txt", 5, 5, MTIME, 0o100644)


def u16(data: bytes, offset: int) -> int:
    return int(struct.unpack_from("<H", data, offset)[0])


def u32(data: bytes, offset: int) -> int:
    return int(struct.unpack_from("<I", data, offset)[0])


def extra_ids(data: bytes) -> list[int]:
    """The header ids of an extra area, in order."""
    ids = []
    while data:
        ids.append(u16(data, 0))
        data = data[4 + u16(data, 2) :]
    return ids


def local_extra(entry: Entry) -> bytes:
    return local_header(entry, 0)[30 + len(entry.name) :]


def central_extra(entry: Entry, offset: int = 0) -> bytes:
    return central_record(entry, 0, offset)[46 + len(entry.name) :]


@dataclass(frozen=True)
class Flags:
    id: str
    entry: Entry
    want: int


FLAGS = [
    Flags("ascii", PLAIN, 0),
    Flags("utf-8", PLAIN._replace(name="ü.txt".encode()), 1 << 11),
    Flags("described", PLAIN._replace(method=DEFLATED, described=True), 1 << 3),
    Flags("both", PLAIN._replace(name="ü".encode(), method=DEFLATED, described=True), 1 << 11 | 1 << 3),
]


@pytest.mark.parametrize("case", FLAGS, ids=lambda c: c.id)
def test_flags_say_utf8_and_descriptor_only_where_true(case: Flags) -> None:
    assert u16(local_header(case.entry, 1), 6) == case.want
    assert u16(central_record(case.entry, 1, 0), 8) == case.want


@dataclass(frozen=True)
class Wide:
    id: str
    size: int
    packed: int
    offset: int
    local: int
    """Bytes of the ZIP64 field in the local header; 0 for none."""
    central: int
    described: bool = False


WIDE = [
    Wide("largest-narrow-size", MAX_32 - 1, MAX_32 - 1, 0, 0, 0),
    Wide("smallest-wide-size", MAX_32, MAX_32, 0, 20, 20),
    Wide("largest-narrow-offset", 5, 5, MAX_32 - 1, 0, 0),
    Wide("smallest-wide-offset", 5, 5, MAX_32, 0, 12),
    Wide("all-wide", MAX_32, MAX_32, MAX_32, 20, 28),
    Wide("wide-size-packed-small", MAX_32, 1000, 0, 20, 12),
    Wide("wide-size-packed-small-described", MAX_32, 1000, 0, 20, 12, described=True),
    Wide("narrow-described", MAX_32 - 1, 1000, 0, 0, 0, described=True),
]


@pytest.mark.parametrize("case", WIDE, ids=lambda c: c.id)
def test_zip64_is_there_exactly_where_a_field_does_not_fit(case: Wide) -> None:
    method = 0 if case.size == case.packed else DEFLATED
    entry = Entry(b"n", case.size, case.packed, MTIME, 0o644, method, case.described)
    local, central = local_extra(entry), central_extra(entry, case.offset)
    time = 9
    assert (len(local), len(central)) == (case.local + time, case.central + time)
    assert extra_ids(local) == ([1] if case.local else []) + [0x5455]
    assert extra_ids(central) == ([1] if case.central else []) + [0x5455]
    assert u16(local_header(entry, 0), 4) == (45 if case.local else 20)
    assert u16(central_record(entry, 0, case.offset), 6) == (45 if case.local or case.central else 20)
    assert len(descriptor(entry, 0)) == (0 if not case.described else 24 if case.local else 16)


def test_the_record_after_a_member_of_4_gib_less_one_has_its_sizes_in_zip64_for_unzip() -> None:
    def extra_of_second(size: int) -> bytes:
        layout = Layout([Entry(b"big", size, size, MTIME, 0o644), PLAIN, PLAIN])
        assert len(layout.directory(2, 3)) == 46 + len(PLAIN.name) + 12 * (size >= MAX_32) + 9
        return layout.directory(1, 2)[46 + len(PLAIN.name) :]

    assert extra_of_second(MAX_32)[:28] == struct.pack("<HHQQQ", 1, 24, 5, 5, 30 + 3 + 20 + 9 + MAX_32)
    assert len(extra_of_second(MAX_32 + 1)) == 12 + 9


def test_end_records_are_wide_from_65535_entries_or_4_gib_on() -> None:
    assert len(end_records(65_534, 1000, MAX_32 - 1, wide=False)) == 22
    assert len(end_records(65_535, 1000, 1000, wide=False)) == 98
    assert len(end_records(1, 1000, MAX_32, wide=False)) == 98
    assert len(end_records(1, MAX_32, 1000, wide=False)) == 98
    assert len(end_records(1, 1000, 1000, wide=True)) == 98


@dataclass(frozen=True)
class Time:
    id: str
    mtime: int
    want: tuple[int, int, int, int, int, int]
    unix: bool = True


TIMES = [
    Time("odd-second", 1_700_000_001, (2023, 11, 14, 22, 13, 20)),
    Time("before-1980", 0, (1980, 1, 1, 0, 0, 0)),
    Time("before-1970", -1, (1980, 1, 1, 0, 0, 0)),
    Time("before-1901", -(1 << 31) - 1, (1980, 1, 1, 0, 0, 0), unix=False),
    Time("last-signed-second", (1 << 31) - 1, (2038, 1, 19, 3, 14, 6)),
    Time("after-2038", 1 << 31, (2038, 1, 19, 3, 14, 8), unix=False),
    Time(
        "last-dos-second",
        int(datetime(2107, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()),
        (2107, 12, 31, 23, 59, 58),
        False,
    ),
    Time("after-2107", 1 << 40, (2107, 12, 31, 23, 59, 58), unix=False),
]


@pytest.mark.parametrize("case", TIMES, ids=lambda c: c.id)
def test_times_are_in_utc_and_clamped_to_what_dos_can_say(case: Time) -> None:
    layout = Layout([PLAIN._replace(mtime=case.mtime)])
    info = whole(layout, [b"hello"]).infolist()[0]
    assert info.date_time == case.want
    want = struct.pack("<HHBi", 0x5455, 5, 1, case.mtime) if case.unix else b""
    assert info.extra == want
    assert local_extra(PLAIN._replace(mtime=case.mtime)) == want


def test_setuid_setgid_and_sticky_bits_stay_behind() -> None:
    layout = Layout([PLAIN._replace(mode=0o107755), Entry(b"d/", 0, 0, MTIME, 0o41777)])
    file, folder = whole(layout, [b"hello", b""]).infolist()
    assert file.external_attr == (stat.S_IFREG | 0o755) << 16
    assert folder.external_attr == (stat.S_IFDIR | 0o777) << 16 | 0x10
    assert folder.is_dir()


def whole(layout: Layout, members: list[bytes]) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(written(layout, members)))


def written(layout: Layout, members: list[bytes]) -> bytes:
    parts = []
    for index, data in enumerate(members):
        layout.set_crc(index, crc32(data))
        parts += [layout.header(index), data, layout.descriptor(index)]
    return b"".join([*parts, layout.directory(0, len(layout)), layout.end])


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=20)
MEMBERS = st.lists(
    st.tuples(NAMES, st.binary(max_size=200), st.integers(-(1 << 40), 1 << 40), st.integers(0, 0o177777)),
    max_size=8,
    unique_by=lambda member: member[0],
)


@settings(max_examples=60)
@given(MEMBERS)
def test_any_members_are_read_back_by_zipfile(members: list[tuple[str, bytes, int, int]]) -> None:
    entries = [Entry(name.encode(), len(data), len(data), mtime, mode) for name, data, mtime, mode in members]
    layout = Layout(entries)
    archive = written(layout, [data for _, data, _, _ in members])
    assert len(archive) == layout.size
    with zipfile.ZipFile(io.BytesIO(archive)) as read:
        assert read.testzip() is None
        assert read.start_dir == layout.directory_start
        for info, start, (name, data, _, mode) in zip(read.infolist(), layout.starts, members, strict=False):
            assert info.orig_filename == name
            assert info.header_offset == start
            assert read.open(info).read() == data
            assert info.external_attr >> 16 == stat.S_IFREG | mode & 0o777


@given(st.lists(st.integers(0, 3 * MAX_32), min_size=1, max_size=6))
def test_every_offset_is_found_again(sizes: list[int]) -> None:
    layout = Layout(Entry(b"%d" % i, size, size, MTIME, 0o644) for i, size in enumerate(sizes))
    for index, size in enumerate(sizes):
        assert layout.entry_at(layout.starts[index]) == index
        assert layout.entry_at(layout.starts[index + 1] - 1) == index
        assert layout.starts[index + 1] - layout.data_start(index) == size
        for offset in (layout.records[index], layout.records[index + 1] - 1):
            assert layout.record_at(layout.directory_start + offset) == index
    assert layout.entry_at(layout.directory_start) == len(sizes)
    assert layout.record_at(layout.size - len(layout.end)) == len(sizes)
    assert layout.size == layout.directory_start + layout.records[-1] + len(layout.end)
    assert (len(layout.end) == 98) == (max(*sizes, layout.directory_start) >= MAX_32)


def test_a_crc_is_filled_in_at_both_places() -> None:
    layout = Layout([PLAIN, PLAIN._replace(name=b"b", method=DEFLATED, described=True)])
    layout.set_crc(0, 0x11223344)
    layout.set_crc(1, 0x55667788)
    assert u32(layout.header(0), 14) == 0x11223344
    assert u32(layout.header(1), 14) == 0, "a described entry has it behind its data"
    assert u32(layout.descriptor(1), 4) == 0x55667788
    assert layout.descriptor(0) == b""
    assert [u32(layout.directory(i, i + 1), 16) for i in (0, 1)] == [0x11223344, 0x55667788]
