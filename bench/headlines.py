"""The few figures that README shows of a run: tables as rows, each row a case that anybody can run by its id."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.metrics import METRICS
from bench.results import Run
from bench.stats import median


@dataclass(frozen=True, slots=True)
class Row:
    """`metric` of the case's targets; `words` say what was done."""

    words: str
    case: str
    metric: str


@dataclass(frozen=True, slots=True)
class Table:
    """`columns` are targets, each with the words at its head; the first is ours."""

    columns: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]


FILES = Table(
    (
        ("ours", "this service"), ("hello", "uvicorn hello-world"), ("nginx", "nginx alone"), ("aiohttp", "aiohttp"),
        ("granian", "Starlette on Granian"), ("fastapi", "FastAPI"),
    ),
    (
        Row("1 KiB file", "file-1KiB", "cpu_per_request"),
        Row("64 KiB file", "file-64KiB", "cpu_per_request"),
        Row("256 KiB file", "file-256KiB", "cpu_per_request"),
        Row("1 MiB file", "file-1MiB", "cpu_per_request"),
        Row("8 MiB file", "file-8MiB", "cpu_per_request"),
        Row("1 GiB file, per GiB", "file-1GiB", "cpu_per_gib"),
        Row("random 64 KiB of 1 GiB", "range-64KiB", "cpu_per_request"),
        Row("8 ranges of 16 KiB at once", "multi-range", "cpu_per_request"),
        Row("304 to a known ETag", "not-modified", "cpu_per_request"),
        Row("memory of 200 stalled clients", "stalled-200", "growth"),
    ),
)  # fmt: skip

IN_A_ROUTE = Table(
    (
        ("route", "`asgi_downloads.starlette.FileResponse`"), ("route-zerocopy", "the same, with our protocol"),
        ("fastapi", "`fastapi.responses.FileResponse`"),
    ),
    (
        Row("1 KiB file", "file-1KiB", "cpu_per_request"),
        Row("1 MiB file", "file-1MiB", "cpu_per_request"),
        Row("1 GiB file, per GiB", "file-1GiB", "cpu_per_gib"),
        Row("random 64 KiB of 1 GiB", "range-64KiB", "cpu_per_request"),
    ),
)  # fmt: skip

BEHIND_NGINX = Table(
    (
        ("ours-proxied", "this service"), ("ours-unbuffered", "the same, `proxy_buffering off`"),
        ("ours-nginx", "the same, `accel_prefix`"), ("fastapi-nginx", "FastAPI on uvicorn"),
        ("gunicorn-nginx", "FastAPI on gunicorn"), ("nginx", "nginx alone"),
    ),
    (
        Row("1 KiB file", "nginx-1KiB", "cpu_per_request"),
        Row("64 KiB file", "nginx-64KiB", "cpu_per_request"),
        Row("256 KiB file", "nginx-256KiB", "cpu_per_request"),
        Row("1 MiB file", "nginx-1MiB", "cpu_per_request"),
        Row("1 MiB file, first byte", "nginx-1MiB", "first_byte"),
        Row("8 MiB file", "nginx-8MiB", "cpu_per_request"),
        Row("1 GiB file, per GiB", "nginx-1GiB", "cpu_per_gib"),
        Row("1 GiB file, throughput", "nginx-1GiB", "mib_per_s"),
        Row("random 64 KiB of 1 GiB", "nginx-range", "cpu_per_request"),
    ),
)  # fmt: skip

BUNDLES = Table(
    (("ours", "this service"), ("nginx", "nginx, the finished archive"), ("starlette", "Starlette, zipstream-ng")),
    (
        Row("6 x 100 MB stored, per GiB", "zip-large", "cpu_per_gib"),
        Row("100 x 5 MB stored, per GiB", "zip-mixed", "cpu_per_gib"),
        Row("2,000 x 20 KB stored", "zip-small", "cpu"),
        Row("5,000 x 1 KB stored", "zip-5000", "cpu"),
        Row("500 x 20 KB deflated, the first time", "zip-small-deflate-first", "cpu"),
        Row("500 x 20 KB deflated, again", "zip-small-deflate", "cpu"),
        Row("random 64 KiB of 2 x 100 MB", "zip-range", "cpu_per_request"),
    ),
)

STORES = Table(
    (
        ("ours-store", "this service"), ("ours-store-nginx", "the same, `store_mode = accel`"),
        ("nginx-store", "nginx alone, a signed URL"), ("starlette-aiobotocore", "Starlette, aiobotocore"),
    ),
    (
        Row("1 GiB object, per GiB", "s3-1GiB", "cpu_per_gib"),
        Row("64 KiB object", "s3-64KiB", "cpu_per_request"),
        Row("random 64 KiB of 1 GiB", "s3-range", "cpu_per_request"),
        Row("304 to a known ETag", "s3-304", "cpu_per_request"),
        Row("memory of 100 stalled clients", "s3-stalled-100", "growth"),
        Row("bundle of 100 x 5 MB, per GiB", "s3-zip-100x5MB", "cpu_per_gib"),
        Row("bundle of 2,000 x 20 KB", "s3-zip-2000x20KB", "cpu"),
    ),
)  # fmt: skip

EXPORTS = Table(
    (
        ("ours", "this service"),
        ("ours-sql", "own SQL"),
        ("fastapi", "FastAPI"),
        ("sqlite3", "`sqlite3 -csv`"),
        ("psql", "`psql` COPY"),
    ),
    (
        Row("1,000,000 users from SQLite, rows a second", "csv-1M", "rows_per_s"),
        Row("1,000,000 users from PostgreSQL, rows a second", "csv-1M-postgres", "rows_per_s"),
    ),
)

TABLES = (
    ("Files, CPU of the server", FILES),
    ("In a route of a FastAPI site on uvicorn, CPU of the server", IN_A_ROUTE),
    ("Behind nginx over a Unix socket, CPU of both", BEHIND_NGINX),
    ("Bundles, CPU of the server", BUNDLES),
    ("Object stores, CPU of the server (and of nginx before it)", STORES),
    ("Exports", EXPORTS),
)

CHARTS = ("file-1KiB", "zip-small", "scale-members-cpu", "scale-rows-peak")
"""By the names that `report.write_charts` gives them."""


def lines(table: Table, run: Run) -> Iterator[list[str]]:
    """The rows of which the run has figures, under a head; columns without any are left out."""
    cells = {row: [_cell(row, target, run) for target, _ in table.columns] for row in table.rows}
    cells = {row: figures for row, figures in cells.items() if figures[0]}
    used = [place for place in range(len(table.columns)) if any(figures[place] for figures in cells.values())]
    if not used:
        return
    yield ["", *(table.columns[place][1] for place in used), "case"]
    for row, figures in cells.items():
        yield [row.words, f"**{figures[0]}**", *(figures[place] for place in used[1:]), f"`{row.case}`"]


def _cell(row: Row, target: str, run: Run) -> str:
    case = run.case(row.case)
    metric = METRICS[row.metric]
    values = metric.series(case.samples[target]) if case and target in case.samples else None
    return "" if values is None else f"{number(median(values))} {metric.unit}".strip()


def number(value: float) -> str:
    """Three digits that matter, thousands grouped."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"
