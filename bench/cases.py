"""What is asked of every target, as frozen rows. An id is stable: results of years compare by it."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.data import COLD_FILES, GIB, KIB, MIB, SIZES
from bench.load import Bulk, Load, Requests, Stalled
from bench.verify import Archive, ArchiveSpan, Content, NotModified, Parts, Report, StoredFile, Users

MEMBERS_100_MB = 100_000_000


@dataclass(frozen=True, slots=True)
class Ask:
    """A request and what its right answer is."""

    path: str
    content: Content
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True)
class Case:
    """Several `asks` are asked in turn. `figures` are the metrics to show, the one that is charted first.

    `root` is the data tree served, with `store` by an object store; `postgres` asks for a server with that many users.
    `fresh` starts every sample on a new process with empty state. `argument` goes to targets that are programs. `quick`
    cases run in the quick mode, against `quick_targets` where given.
    """

    id: str
    what: str
    asks: tuple[Ask, ...]
    load: Load
    targets: tuple[str, ...]
    figures: tuple[str, ...]
    data: tuple[str, ...] = ()
    root: str = "tree"
    rows: int = 0
    postgres: bool = False
    store: bool = False
    fresh: bool = False
    argument: str = ""
    quick: bool = False
    quick_targets: tuple[str, ...] = ()


def stored(size: str) -> tuple[Ask, ...]:
    return (Ask(f"/download/{size}.bin", StoredFile(f"downloads/{size}.bin")),)


def bundle(name: str, query: str = "") -> tuple[Ask, ...]:
    return (Ask(f"/download/bundle/{name}{query}", Archive(f"bundles/{name}")),)


def export(rows: int, *, compressed: bool = False) -> tuple[Ask, ...]:
    headers = {"Accept-Encoding": "gzip"} if compressed else {}
    return (Ask("/export/users", Users(rows, compressed), headers),)


def _spans(total: int, length: int, count: int) -> list[tuple[int, int]]:
    rng = random.Random(23)
    return [(start, start + length) for start in (rng.randrange(total - length) for _ in range(count))]


def _range_of(start: int, stop: int) -> dict[str, str]:
    return {"Range": f"bytes={start}-{stop - 1}"}


def _random_ranges() -> tuple[Ask, ...]:
    name = "downloads/1GiB.bin"
    return tuple(
        Ask("/download/1GiB.bin", StoredFile(name, span), _range_of(*span), 206) for span in _spans(GIB, 64 * KIB, 256)
    )


def _multi_range() -> tuple[Ask, ...]:
    spans = tuple((n * MIB + 17, n * MIB + 17 + 16 * KIB) for n in range(1, 41, 5))
    text = ", ".join(f"{start}-{stop - 1}" for start, stop in spans)
    return (Ask("/download/256MiB.bin", Parts("downloads/256MiB.bin", spans), {"Range": f"bytes={text}"}, 206),)


def _archive_ranges(name: str, total: int) -> tuple[Ask, ...]:
    folder = f"bundles/{name}"
    return tuple(
        Ask(f"/download/bundle/{name}", ArchiveSpan(folder, *span), _range_of(*span), 206)
        for span in _spans(total, 64 * KIB, 64)
    )


def _cold_files() -> tuple[Ask, ...]:
    names = [f"cold-{number:02}.bin" for number in range(COLD_FILES)]
    return tuple(Ask(f"/download/{name}", StoredFile(f"downloads/{name}")) for name in names)


OURS = ("ours", "ours-fallback", "ours-nginx")
BEHIND = ("ours-proxied", "ours-unbuffered", "ours-nginx", "fastapi-nginx", "gunicorn-nginx", "nginx")
FASTAPI = ("fastapi", "fastapi-stream", "fastapi-aiofiles")
ROUTES = ("route", "route-zerocopy")
STORES = ("ours-store", "ours-store-nginx", "starlette-aiobotocore", "nginx-store")
SERVERS = (*OURS, *ROUTES, *FASTAPI, "starlette", "granian", "aiohttp", "nginx")
SMALL = ("cpu_per_request", "requests_per_s", "p50", "p99", "first_byte", "busy", "peak")
LONG = ("cpu_per_gib", "mib_per_s", "first_byte", "busy", "growth", "peak")
ROWS = ("rows_per_s", "cpu_per_row", "wall", "first_byte", "growth", "peak")
ZIPS = ("cpu", "wall", "length", "first_byte", "growth", "peak")
NULLS = ("cpu", "wall", "length")

CASES: tuple[Case, ...] = (
    Case(
        "file-1KiB", "1 KiB file, 32 connections", stored("1KiB"), Requests(32), ("hello", *SERVERS), SMALL,
        data=("file:1KiB",), quick=True, quick_targets=("hello", "ours", "fastapi", "granian", "aiohttp", "nginx"),
    ),
    Case("file-1KiB-c1", "1 KiB file, 1 connection", stored("1KiB"), Requests(1), ("hello", *SERVERS), SMALL,
         data=("file:1KiB",)),
    Case("file-1KiB-c256", "1 KiB file, 256 connections", stored("1KiB"), Requests(256), ("hello", *SERVERS), SMALL,
         data=("file:1KiB",)),
    Case("file-1KiB-idle", "1 KiB file, 32 connections, 1,000 idle ones beside", stored("1KiB"),
         Requests(32, idle=1000), ("hello", *OURS, "fastapi", "aiohttp", "granian", "nginx"), SMALL,
         data=("file:1KiB",)),
    Case(
        "file-64KiB", "64 KiB file, 32 connections", stored("64KiB"), Requests(32), SERVERS, SMALL,
        data=("file:64KiB",), quick=True, quick_targets=("ours", "granian", "aiohttp", "nginx"),
    ),
    Case("file-256KiB", "256 KiB file, 32 connections", stored("256KiB"), Requests(32), SERVERS, SMALL,
         data=("file:256KiB",)),
    Case(
        "file-1MiB", "1 MiB file, 32 connections", stored("1MiB"), Requests(32), SERVERS, SMALL,
        data=("file:1MiB",), quick=True, quick_targets=("ours", "granian", "aiohttp", "nginx"),
    ),
    Case("file-8MiB", "8 MiB file, 32 connections", stored("8MiB"), Requests(32), SERVERS, SMALL,
         data=("file:8MiB",)),
    Case(
        "file-1GiB", "1 GiB file, 1 connection", stored("1GiB"), Bulk(1, 1), SERVERS, LONG,
        data=("file:1GiB",), quick=True, quick_targets=("ours", "starlette", "nginx"),
    ),
    Case("file-1GiB-c32", "1 GiB file, 32 connections at once", stored("1GiB"), Bulk(32, 32),
         ("ours", "ours-fallback", "starlette", "granian", "aiohttp", "nginx"), (*LONG, "p50", "p99"),
         data=("file:1GiB",)),
    Case(
        "range-64KiB", "random 64 KiB ranges of a 1 GiB file, 32 connections", _random_ranges(), Requests(32),
        (*OURS, *ROUTES, "fastapi", "fastapi-video", "starlette", "granian", "aiohttp", "nginx"), SMALL,
        data=("file:1GiB",), quick=True, quick_targets=("ours", "starlette", "nginx"),
    ),
    Case("multi-range", "8 ranges of 16 KiB in one request, 32 connections", _multi_range(), Requests(32),
         ("ours", "ours-fallback", "fastapi", "starlette", "granian", "nginx"), SMALL, data=("file:256MiB",)),
    Case("not-modified", "304 to If-None-Match, 32 connections",
         (Ask("/download/1MiB.bin", NotModified(), status=304),), Requests(32), (*OURS, "aiohttp", "nginx"), SMALL,
         data=("file:1MiB",)),
    Case("cold-1MiB", f"{COLD_FILES} files of 1 MiB, none in the page cache, 4 at a time", _cold_files(),
         Bulk(4, COLD_FILES, evict=True), SERVERS,
         ("mib_per_s", "cpu_per_gib", "p50", "p99"), data=("cold:1MiB",)),
    Case("cold-256MiB", "256 MiB file, not in the page cache", stored("256MiB"), Bulk(1, 1, evict=True),
         SERVERS, ("mib_per_s", "cpu_per_gib"), data=("file:256MiB",)),
    Case("stalled-200", "200 clients that stall on a 1 GiB file, a 1 KiB download beside", stored("1GiB"),
         Stalled(200, "/download/1KiB.bin"), SERVERS, ("growth", "slowdown", "beside"),
         data=("file:1GiB", "file:1KiB"), fresh=True),
    # behind nginx, over a Unix socket
    *(
        Case(f"nginx-{name}", f"{words} file behind nginx, 32 connections", stored(name), Requests(32), BEHIND, SMALL,
             data=(f"file:{name}",))
        for name, words in (("1KiB", "1 KiB"), ("64KiB", "64 KiB"), ("256KiB", "256 KiB"), ("1MiB", "1 MiB"),
                            ("8MiB", "8 MiB"))
    ),
    Case("nginx-1GiB", "1 GiB file behind nginx, 1 connection", stored("1GiB"), Bulk(1, 1), BEHIND, LONG,
         data=("file:1GiB",)),
    Case("nginx-range", "random 64 KiB ranges of a 1 GiB file behind nginx, 32 connections", _random_ranges(),
         Requests(32), BEHIND, SMALL, data=("file:1GiB",)),
    # bundles, through the socket
    Case(
        "zip-large", "bundle of 6 x 100 MB, stored", bundle("large-6"), Bulk(1, 1),
        ("ours", "ours-fallback", "starlette", "nginx"), LONG, data=("bundle:large-6", "archive:large-6"),
    ),
    Case(
        "zip-large-2", "bundle of 2 x 100 MB, stored", bundle("large-2"), Bulk(1, 1), ("ours", "starlette", "nginx"),
        LONG,
        data=("bundle:large-2", "archive:large-2"), quick=True,
    ),
    Case("zip-large-first", "bundle of 6 x 100 MB, stored, first download", bundle("large-6"), Bulk(1, 1),
         ("ours", "starlette"), LONG, data=("bundle:large-6",), fresh=True),
    Case("zip-small", "bundle of 2,000 x 20 KB, stored", bundle("small-2000"), Bulk(1, 1),
         ("ours", "ours-fallback", "starlette", "nginx"), ZIPS, data=("bundle:small-2000", "archive:small-2000")),
    Case("zip-mixed", "bundle of 100 x 5 MB, stored", bundle("mixed-100"), Bulk(1, 1),
         ("ours", "ours-fallback", "starlette", "nginx"), LONG, data=("bundle:mixed-100", "archive:mixed-100")),
    Case("zip-5000", "bundle of 5,000 x 1 KB, stored", bundle("tiny-5000"), Bulk(1, 1),
         ("ours", "ours-fallback", "starlette"), ZIPS, data=("bundle:tiny-5000",)),
    Case("zip-small-deflate", "bundle of 500 x 20 KB, deflated", bundle("small-500", "?compression=deflate"),
         Bulk(1, 1), ("ours", "ours-fallback", "starlette"), ZIPS, data=("bundle:small-500",)),
    Case("zip-small-deflate-first", "bundle of 500 x 20 KB, deflated, first download",
         bundle("small-500", "?compression=deflate"), Bulk(1, 1), ("ours", "starlette"), ZIPS,
         data=("bundle:small-500",), fresh=True),
    Case("zip-mixed-deflate", "bundle of 10 x 5 MB, deflated", bundle("mixed-10", "?compression=deflate"), Bulk(1, 1),
         ("ours", "ours-fallback", "starlette"), ZIPS, data=("bundle:mixed-10",)),
    Case("zip-range", "random 64 KiB ranges of a stored bundle of 2 x 100 MB, 8 connections",
         _archive_ranges("large-2", 2 * MEMBERS_100_MB), Requests(8), ("ours", "ours-fallback", "nginx"), SMALL,
         data=("bundle:large-2", "archive:large-2")),
    # bundles, to nothing: what the making costs
    *(
        Case(f"null-{name}", f"{words}, stored, to nothing", (Ask("", Archive(f"bundles/{folder}")),), Bulk(),
             ("zip-ours", "zip-ours-zero-copy", "zip-ours-cold", "zip-ours-cold-zero-copy", "zip-zipstream"), NULLS,
             data=(f"bundle:{folder}",),
             argument=f"bundles/{folder}")
        for name, folder, words in (
            ("one", "one-1", "bundle of 1 x 1 GB"),
            ("small", "small-2000", "bundle of 2,000 x 20 KB"),
            ("large", "large-6", "bundle of 6 x 100 MB"),
            ("mixed", "mixed-100", "bundle of 100 x 5 MB"),
        )
    ),
    *(
        Case(f"null-{name}-deflate", f"{words}, deflated, to nothing", (Ask("", Archive(f"bundles/{folder}")),), Bulk(),
             ("zip-ours-deflate", "zip-zipstream-6"), NULLS, data=(f"bundle:{folder}",),
             argument=f"bundles/{folder}")
        for name, folder, words in (
            ("small", "small-500", "bundle of 500 x 20 KB"),
            ("mixed", "mixed-10", "bundle of 10 x 5 MB"),
        )
    ),
    # exports
    Case("csv-100k", "CSV of 100,000 users from SQLite", export(100_000), Bulk(1, 1), ("ours", "fastapi", "sqlite3"),
         ROWS, data=("users:100000",), root="users-100000", rows=100_000, quick=True),
    Case("csv-1M", "CSV of 1,000,000 users from SQLite", export(1_000_000), Bulk(1, 1),
         ("ours", "ours-sql", "ours-fallback", "fastapi", "sqlite3"), ROWS, data=("users:1000000",),
         root="users-1000000", rows=1_000_000),
    Case("csv-1M-gzip", "the same, gzip", export(1_000_000, compressed=True), Bulk(1, 1),
         ("ours", "ours-fallback"), ROWS, data=("users:1000000",), root="users-1000000", rows=1_000_000),
    Case("csv-100k-postgres", "CSV of 100,000 users from PostgreSQL", export(100_000), Bulk(1, 1),
         ("ours", "ours-fallback", "fastapi", "psql"), ROWS, rows=100_000, postgres=True),
    Case("csv-1M-postgres", "CSV of 1,000,000 users from PostgreSQL", export(1_000_000), Bulk(1, 1),
         ("ours", "ours-fallback", "psql"), ROWS, rows=1_000_000, postgres=True),
    Case("csv-1M-postgres-gzip", "the same, gzip", export(1_000_000, compressed=True), Bulk(1, 1),
         ("ours", "ours-fallback"), ROWS, rows=1_000_000, postgres=True),
    # files in an object store
    Case("s3-1GiB", "1 GiB object, 1 connection", stored("1GiB"), Bulk(1, 1), STORES, LONG, data=("file:1GiB",),
         store=True),
    Case("s3-64KiB", "64 KiB object, 32 connections", stored("64KiB"), Requests(32), STORES, SMALL,
         data=("file:64KiB",), store=True),
    Case("s3-range", "random 64 KiB ranges of a 1 GiB object, 32 connections", _random_ranges(), Requests(32), STORES,
         SMALL, data=("file:1GiB",), store=True),
    Case("s3-304", "304 to If-None-Match for an object, 32 connections",
         (Ask("/download/1MiB.bin", NotModified(), status=304),), Requests(32), STORES, SMALL, data=("file:1MiB",),
         store=True),
    Case("s3-stalled-100", "100 clients that stall on a 1 GiB object, a 1 KiB download beside", stored("1GiB"),
         Stalled(100, "/download/1KiB.bin"), STORES, ("growth", "slowdown", "beside"),
         data=("file:1GiB", "file:1KiB"), store=True, fresh=True),
    Case("s3-zip-100x5MB", "bundle of 100 objects of 5 MB, stored", bundle("mixed-100"), Bulk(1, 1), ("ours-store",),
         LONG, data=("bundle:mixed-100",), store=True),
    Case("s3-zip-2000x20KB", "bundle of 2,000 objects of 20 KB, stored", bundle("small-2000"), Bulk(1, 1),
         ("ours-store",), ZIPS, data=("bundle:small-2000",), store=True),
    Case("report", "a report made for the request, 4 connections", (Ask("/reports/generate/bench", Report()),),
         Bulk(4, 40), ("ours", "ours-fallback"), ("cpu_per_request", "p50", "p99", "first_byte", "growth")),
)  # fmt: skip

BY_ID: Mapping[str, Case] = {case.id: case for case in CASES}
FILE_SIZES = tuple(SIZES)
