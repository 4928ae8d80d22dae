"""The bars that the project sets itself: a figure, alone or over another target's, against a limit.

Declared as rows, then read off a run.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.metrics import METRICS
from bench.results import Run
from bench.stats import ENOUGH_PAIRS, Ratio, median, ratio


@dataclass(frozen=True, slots=True)
class Bar:
    """`metric` of `target` over that of `over` (itself, when `over` is empty) must stand in `relation` to `limit`."""

    case: str
    metric: str
    target: str
    over: str
    relation: str
    limit: float
    words: str


BARS = (
    Bar("file-1KiB", "cpu_per_request", "ours", "hello", "<=", 1.25, "1 KiB file: little more CPU than hello-world"),
    Bar("file-1KiB", "cpu_per_request", "fastapi", "ours", ">=", 12, "12 times less than FastAPI"),
    Bar("file-1KiB", "cpu_per_request", "aiohttp", "ours", ">=", 4, "4 times less than aiohttp"),
    Bar("file-1KiB", "cpu_per_request", "granian", "ours", ">=", 4, "4 times less than Starlette on Granian"),
    Bar("file-64KiB", "cpu_per_request", "granian", "ours", ">=", 4, "64 KiB: 4 times less than Starlette on Granian"),
    Bar("file-1MiB", "cpu_per_request", "granian", "ours", ">=", 4, "1 MiB: 4 times less than Starlette on Granian"),
    Bar("file-1MiB", "cpu_per_request", "ours", "aiohttp", "<=", 0.8, "1 MiB: four fifths of aiohttp"),
    Bar("file-8MiB", "cpu_per_request", "ours", "aiohttp", "<=", 0.8, "8 MiB: four fifths of aiohttp"),
    Bar("file-1GiB", "cpu_per_gib", "ours", "nginx", "<=", 1.1, "1 GiB costs little more CPU than nginx"),
    Bar("file-1GiB", "cpu_per_gib", "ours", "aiohttp", "<=", 0.9, "1 GiB: below aiohttp"),
    Bar("file-1GiB", "cpu_per_gib", "ours", "granian", "<=", 0.9, "1 GiB: below Starlette on Granian"),
    Bar("file-1GiB", "cpu_per_gib", "ours", "fastapi", "<=", 0.9, "1 GiB: below FastAPI"),
    Bar("file-1GiB", "cpu_per_gib", "starlette", "ours", ">=", 5, "1 GiB: 5 times less than Starlette"),
    Bar("file-1GiB", "mib_per_s", "ours", "nginx", ">=", 1.0, "1 GiB arrives no later than from nginx"),
    Bar("stalled-200", "growth", "ours", "", "<=", 32, "200 stalled clients: memory growth in MiB"),
    Bar("stalled-200", "slowdown", "ours", "", "<=", 2, "200 stalled clients: a small download beside takes as long"),
    Bar("zip-large", "cpu_per_gib", "ours", "nginx", "<=", 1.3, "600 MB bundle against the archive sent by nginx"),
    Bar("zip-large", "cpu_per_gib", "starlette", "ours", ">=", 5, "600 MB bundle: 5 times less than zipstream-ng"),
    Bar("null-one", "cpu", "zip-zipstream", "zip-ours", ">=", 5, "1 x 1 GB to nothing, CRC known, all of it read"),
    Bar("null-one", "cpu", "zip-zipstream", "zip-ours-zero-copy", ">=", 5, "1 x 1 GB to nothing, CRC known, sendfile"),
    Bar("null-small", "cpu", "zip-zipstream", "zip-ours", ">=", 3, "many small to nothing, CRC known"),
    Bar("null-large", "cpu", "zip-zipstream", "zip-ours", ">=", 3, "large to nothing, CRC known, all of it read"),
    Bar("null-large", "cpu", "zip-zipstream", "zip-ours-zero-copy", ">=", 3, "large to nothing, CRC known, sendfile"),
    Bar("null-mixed", "cpu", "zip-zipstream", "zip-ours", ">=", 3, "mixed to nothing, CRC known, all of it read"),
    Bar("null-mixed", "cpu", "zip-zipstream", "zip-ours-zero-copy", ">=", 3, "mixed to nothing, CRC known, sendfile"),
    Bar("null-small", "cpu", "zip-zipstream", "zip-ours-cold", ">=", 1.4, "many small to nothing, CRC unknown"),
    Bar("null-large", "cpu", "zip-zipstream", "zip-ours-cold", ">=", 1.4, "large to nothing, CRC unknown, all read"),
    Bar(
        "null-large",
        "cpu",
        "zip-zipstream",
        "zip-ours-cold-zero-copy",
        ">=",
        1.4,
        "large to nothing, CRC unknown, sendfile",
    ),
    Bar("null-mixed", "cpu", "zip-zipstream", "zip-ours-cold", ">=", 1.4, "mixed to nothing, CRC unknown, all read"),
    Bar(
        "null-mixed",
        "cpu",
        "zip-zipstream",
        "zip-ours-cold-zero-copy",
        ">=",
        1.4,
        "mixed to nothing, CRC unknown, sendfile",
    ),
    Bar("null-small-deflate", "cpu", "zip-zipstream-6", "zip-ours-deflate", ">=", 6, "small text deflated"),
    Bar("null-mixed-deflate", "cpu", "zip-zipstream-6", "zip-ours-deflate", ">=", 6, "mixed deflated"),
    Bar("null-small-deflate", "length", "zip-ours-deflate", "zip-zipstream-6", "<=", 1.13, "small text: size"),
    Bar("null-mixed-deflate", "length", "zip-ours-deflate", "zip-zipstream-6", "<=", 1.13, "mixed: size"),
    Bar("s3-1GiB", "cpu_per_gib", "ours-store", "starlette-aiobotocore", "<=", 0.9, "1 GiB object: below aiobotocore"),
    Bar("s3-1GiB", "cpu_per_gib", "ours-store-nginx", "nginx-store", "<=", 1.1, "1 GiB object, by nginx"),
    Bar("zip-5000", "first_byte", "ours", "", "<=", 50, "5,000 members: first byte in ms"),
    Bar("csv-1M", "rows_per_s", "ours", "fastapi", ">=", 9, "CSV from SQLite: 9 times FastAPI's rows per second"),
    Bar("csv-1M", "rows_per_s", "ours-sql", "fastapi", ">=", 8, "CSV by own SQL: 8 times FastAPI's rows per second"),
    Bar("csv-1M", "cpu_per_row", "ours", "sqlite3", "<=", 1.5, "CSV from SQLite against the sqlite3 command"),
    Bar("csv-1M-postgres", "wall", "ours", "psql", "<=", 1.3, "CSV from PostgreSQL against psql's COPY"),
    Bar("csv-1M", "growth", "ours", "", "<=", 24, "CSV from SQLite: memory growth in MiB"),
    Bar("csv-1M-postgres", "growth", "ours", "", "<=", 24, "CSV from PostgreSQL: memory growth in MiB"),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """`met` is None where the rounds differ too much to tell."""

    bar: Bar
    value: float
    met: bool | None
    ratio: Ratio | None


def standings(run: Run) -> Iterator[Standing]:
    """Every bar that the run has figures for."""
    for bar in BARS:
        case = run.case(bar.case)
        names = [bar.target, bar.over] if bar.over else [bar.target]
        if case is None or not all(name in case.samples for name in names):
            continue
        series = [METRICS[bar.metric].series(case.samples[name]) for name in names]
        if not all(series):
            continue
        first = series[0] or []
        if bar.over:
            over = series[1] or []
            rounds = min(len(first), len(over))
            found = ratio(first[:rounds], over[:rounds])
            yield Standing(bar, found.value, found.meets(bar.relation, bar.limit), found)
        else:
            value = median(first)
            met = value <= bar.limit if bar.relation == "<=" else value >= bar.limit
            yield Standing(bar, value, met if len(first) >= ENOUGH_PAIRS or not met else None, None)
