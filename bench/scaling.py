"""How cost grows: with the size of a file, the number of connections, of a bundle's members, of an export's rows.

Each scale is a row of cases along one axis; what is good is level (memory) or straight (time, CPU).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.cases import Case, bundle, export, stored
from bench.data import GIB, MIB, SIZES
from bench.load import Bulk, Load, Requests

CONNECTIONS = (1, 4, 16, 64, 256, 1000)
MEMBERS = (1, 10, 100, 1000, 10_000, 50_000)
ROWS = (1000, 10_000, 100_000, 1_000_000, 5_000_000)
_QUADRATIC_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Scale:
    """`points` are (place on the axis, case); `figures` are drawn, a chart for each."""

    id: str
    title: str
    axis: str
    figures: tuple[str, ...]
    points: tuple[tuple[int, Case], ...]


def _load_for(size: int) -> Load:
    if size <= MIB:
        return Requests(8)
    return Bulk(1, max(1, min(16, 2 * GIB // size)))


def _size(name: str, size: int) -> Case:
    return Case(
        f"scale-size-{name}", f"{name} file", stored(name), _load_for(size), ("ours", "starlette", "nginx"),
        ("cpu_per_request", "growth"), data=(f"file:{name}",),
    )  # fmt: skip


def _connections(count: int) -> Case:
    return Case(
        f"scale-connections-{count}", f"64 KiB file, {count} connections", stored("64KiB"), Requests(count),
        ("ours", "starlette", "aiohttp", "nginx"), ("cpu_per_request", "p99", "peak"), data=("file:64KiB",),
    )  # fmt: skip


def _members(count: int) -> Case:
    return Case(
        f"scale-members-{count}", f"bundle of {count} x 1 KB, stored", bundle(f"tiny-{count}"), Bulk(1, 1),
        ("ours", "starlette"), ("cpu", "first_byte", "peak"), data=(f"bundle:tiny-{count}",),
    )  # fmt: skip


def _rows(count: int) -> Case:
    targets = ("ours", "fastapi", "sqlite3") if count <= _QUADRATIC_LIMIT else ("ours", "sqlite3")
    return Case(
        f"scale-rows-{count}", f"CSV of {count} users from SQLite", export(count), Bulk(1, 1), targets,
        ("wall", "cpu", "peak"), data=(f"users:{count}",), root=f"users-{count}", rows=count,
    )  # fmt: skip


SCALES: Mapping[str, Scale] = {
    scale.id: scale
    for scale in (
        Scale("size", "Cost of a download against the size of its file", "bytes", ("cpu_per_request", "peak"),
              tuple((size, _size(name, size)) for name, size in SIZES.items() if name in
                    ("1KiB", "16KiB", "256KiB", "1MiB", "16MiB", "256MiB", "1GiB", "4GiB"))),
        Scale("connections", "Cost of a 64 KiB download against connections", "connections",
              ("cpu_per_request", "peak"),
              tuple((count, _connections(count)) for count in CONNECTIONS)),
        Scale("members", "Cost of a bundle against its members (1 KB each)", "members", ("cpu", "first_byte", "peak"),
              tuple((count, _members(count)) for count in MEMBERS)),
        Scale("rows", "Cost of an export against its rows", "rows", ("wall", "peak"),
              tuple((count, _rows(count)) for count in ROWS)),
    )
}  # fmt: skip

CASES: tuple[Case, ...] = tuple(case for scale in SCALES.values() for _, case in scale.points)
