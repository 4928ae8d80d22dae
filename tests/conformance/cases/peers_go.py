"""What Go's net/http holds itself to (its range_test and fs_test), put in words of our own.

Sizes and ranges are Go's; the verdict is ours, and where it is not Go's the reason says what Go does.
"""

from typing import Final

from tests.conformance import tree
from tests.conformance.case import EVERYWHERE, NGINX, Case, Covers, Leads, Want, choice, get, head, rfc, slug, want

OCTETS: Final = "application/octet-stream"
FILES: Final = {10: "ten.txt", 11: "eleven.txt", 10_000: "ten-thousand.bin"}
Slices = list[tuple[int, int]]

# Range value, size of the file, what must be covered (None: refused as malformed)
PARSED: Final[list[tuple[str, int, Slices | None]]] = [
    ("foo", 10, None),
    ("bytes=", 10, None),
    ("bytes=7", 10, None),
    ("bytes= 7 ", 10, None),
    ("bytes=5-4", 10, None),
    ("bytes=0-2,5-4", 10, None),
    ("bytes=2-5,4-3", 10, None),
    ("bytes=--5,4--3", 10, None),
    ("bytes=A-", 10, None),
    ("bytes=A- ", 10, None),
    ("bytes=A-Z", 10, None),
    ("bytes= -Z", 10, None),
    ("bytes=5-Z", 10, None),
    ("bytes=Ran-dom, garbage", 10, None),
    ("bytes=0x01-0x02", 10, None),
    ("bytes=         ", 10, None),
    ("bytes= , , ,   ", 10, None),
    ("bytes=0-9", 10, [(0, 10)]),
    ("bytes=0-", 10, [(0, 10)]),
    ("bytes=5-", 10, [(5, 10)]),
    ("bytes=0-20", 10, [(0, 10)]),
    ("bytes=15-,0-5", 10, [(0, 6)]),
    ("bytes=1-2,5-", 10, [(1, 3), (5, 10)]),
    ("bytes=-2 , 7-", 11, [(9, 11), (7, 11)]),
    ("bytes=0-0 ,2-2, 7-", 11, [(0, 1), (2, 3), (7, 11)]),
    ("bytes=-5", 10, [(5, 10)]),
    ("bytes=-15", 10, [(0, 10)]),
    ("bytes=0-499", 10_000, [(0, 500)]),
    ("bytes=500-999", 10_000, [(500, 1000)]),
    ("bytes=-500", 10_000, [(9500, 10_000)]),
    ("bytes=9500-", 10_000, [(9500, 10_000)]),
    ("bytes=0-0,-1", 10_000, [(0, 1), (9999, 10_000)]),
    ("bytes=500-600,601-999", 10_000, [(500, 601), (601, 1000)]),
    ("bytes=500-700,601-999", 10_000, [(500, 701), (601, 1000)]),
]

# The same over a file of eleven bytes, as served
SERVED: Final[list[tuple[str, Slices]]] = [
    ("bytes=0-4", [(0, 5)]),
    ("bytes=2-", [(2, 11)]),
    ("bytes=-5", [(6, 11)]),
    ("bytes=3-7", [(3, 8)]),
    ("bytes=0-0,-2", [(0, 1), (9, 11)]),
    ("bytes=0-1,5-8", [(0, 2), (5, 9)]),
    ("bytes=0-1,5-", [(0, 2), (5, 11)]),
    ("bytes=5-1000", [(5, 11)]),
    ("bytes=0-9", [(0, 10)]),
    ("bytes=0-10", [(0, 11)]),
    ("bytes=0-11", [(0, 11)]),
    ("bytes=10-11", [(10, 11)]),
    ("bytes=10-", [(10, 11)]),
]
BEYOND: Final = ("11-", "11-12", "12-12", "11-100", "12-100", "100-", "100-1000")


def _parsed(value: str, size: int, slices: Slices | None) -> Case:
    whole = tree.content(f"downloads/{FILES[size]}")
    request = get(f"/download/{FILES[size]}", Range=value)
    id_ = f"go-parse-{slug(value.removeprefix('bytes='))}-of-{size}"
    if slices is None:
        malformed = [want(400), want(200, whole)] if value == "foo" else [want(400)]
        return choice(
            id_,
            "G7 G8",
            "FastAPI refuses what is malformed by 400, Go by 416 (RFC 9110 §14.2 allows both)",
            request,
            malformed,
        )
    if value.startswith("bytes=15-"):
        return rfc(id_, "G10", "14.1.1", request, want(206, Covers(whole, tuple(slices), OCTETS)))
    return rfc(id_, "G1 G2 G3 G12 G18", "14.1.2", request, want(206, Covers(whole, tuple(slices), OCTETS)))


_ELEVEN: Final = tree.content("downloads/eleven.txt")
_TEN = "/download/ten.txt"
_TAG = want(200, tree.TEN, content_type=OCTETS)
_NOT_MODIFIED = want(304, b"", content_type=None, content_range=None)


def _by_get_and_head(id_: str, rows: str, section: str, wanted: Want, head_wanted: Want, **fields: str) -> list[Case]:
    return [
        rfc(f"go-content-{id_}", rows, section, get(_TEN, **fields), wanted),
        rfc(f"go-content-{id_}-head", rows + " B1", section, head(_TEN, **fields), head_wanted),
    ]


_EMPTY_200 = want(200, b"", content_type=OCTETS, last_modified=tree.LAST_MODIFIED)
_TWO = want(206, b"01234", content_range="bytes 0-4/10")
CONTENT = [
    *_by_get_and_head(
        "not-modified-modtime", "I7", "13.1.3", _NOT_MODIFIED, _NOT_MODIFIED, If_Modified_Since=tree.LAST_MODIFIED
    ),
    *_by_get_and_head("not-modified-etag", "I6", "13.1.2", _NOT_MODIFIED, _NOT_MODIFIED, If_None_Match="{etag}"),
    *_by_get_and_head(
        "not-modified-weak-in-a-list", "I6", "13.1.2", _NOT_MODIFIED, _NOT_MODIFIED, If_None_Match='"baz", {weak}'
    ),
    *_by_get_and_head("none-match-mismatch", "I6", "13.1.2", _TAG, _EMPTY_200, If_None_Match='"Foo"'),
    *_by_get_and_head("none-match-malformed", "I6", "13.1.2", _TAG, _EMPTY_200, If_None_Match=","),
    *_by_get_and_head("range-good", "G1 G20", "14.2", _TWO, _EMPTY_200, Range="bytes=0-4"),
    *_by_get_and_head("range-match", "I1 G20", "13.1.5", _TWO, _EMPTY_200, Range="bytes=0-4", If_Range="{etag}"),
    *_by_get_and_head("range-match-weak", "I2 G20", "13.1.5", _TAG, _EMPTY_200, Range="bytes=0-4", If_Range="{weak}"),
    *_by_get_and_head(
        "range-no-overlap", "G5 G20", "15.5.17", want(416, content_range="bytes */10"), _EMPTY_200, Range="bytes=10-20"
    ),
    *_by_get_and_head("range-no-match", "I2 G20", "13.1.5", _TAG, _EMPTY_200, Range="bytes=0-4", If_Range='"B"'),
    *_by_get_and_head(
        "range-with-modtime", "I3 G20", "13.1.5", _TWO, _EMPTY_200, Range="bytes=0-4", If_Range=tree.LAST_MODIFIED
    ),
    *_by_get_and_head(
        "range-with-modtime-mismatch", "I3 G20", "13.1.5", _TAG, _EMPTY_200, Range="bytes=0-4", If_Range=tree.LATER
    ),
    *_by_get_and_head("match-in-a-list", "I8", "13.1.1", _TAG, _EMPTY_200, If_Match='"Z", {etag}'),
    *_by_get_and_head("match-star", "I8", "13.1.1", _TAG, _EMPTY_200, If_Match="*"),
    *_by_get_and_head("match-failed", "I8", "13.1.1", want(412), want(412, b""), If_Match='"B"'),
    *_by_get_and_head("match-weak", "I8", "13.1.1", want(412), want(412, b""), If_Match="{weak}"),
    *_by_get_and_head(
        "unmodified-since-true", "I9", "13.1.4", _TAG, _EMPTY_200, If_Unmodified_Since=tree.LAST_MODIFIED
    ),
    *_by_get_and_head(
        "unmodified-since-false", "I9", "13.1.4", want(412), want(412, b""), If_Unmodified_Since=tree.EARLIER
    ),
    rfc(
        "go-content-range-with-modtime-nanos",
        "I3 E4",
        "13.1.5",
        get("/download/nanosecond.txt", Range="bytes=0-4", If_Range=tree.LAST_MODIFIED),
        want(206, tree.content("downloads/nanosecond.txt")[:5]),
    ),
    choice(
        "go-content-unix-zero-modtime",
        "E4",
        "Go leaves Last-Modified out at time zero; a time is a time",
        get("/download/epoch.txt"),
        want(200, last_modified="Thu, 01 Jan 1970 00:00:00 GMT"),
    ),
]

PATHS = [
    choice(
        f"go-names-{slug(target)}",
        "D1 D5 A3",
        "Go refuses by 400, a name here is one segment",
        get(target),
        [want(400), want(404)],
        on=EVERYWHERE - NGINX,
    )
    for target in (
        (
            "/../file",
            "/..",
            "/../",
            "/../foo",
            "/..%5Cfoo",
            "/file/a/..",
            "/file/a%5C..",
            "/file/ten.txt%00",
            "/file/%00",
            "/file/NUL",
            "/download/%2e%2e/secret.txt",
        )
    )
] + [
    choice(
        "go-names-dots-within",
        "D1",
        "two dots are only that where they are all",
        get("/download/x.."),
        want(200, b"x.."),
    ),
    choice(
        "go-redirect-after-a-file",
        "A5",
        "Go by 301, FastAPI by 307",
        get("/download/ten.txt/"),
        want(307, location=Leads(b"/download/ten.txt")),
    ),
    *(
        choice(
            f"go-empty-content-{slug(value)}",
            "G19",
            "Go ignores ranges of nothing; 416 is right too",
            get("/download/empty.bin", Range=value),
            [want(200, b""), want(416, content_range="bytes */0")],
        )
        for value in ("bytes=0-128", "bytes=1-")
    ),
]

CASES = [
    *(_parsed(*row) for row in PARSED),
    choice(
        "go-parse-lax",
        "G14",
        "Go, as Apache, forgives spaces within a range; the grammar has none there",
        get("/download/eleven.txt", Range="bytes=   1 -2   ,  4- 5, 7 - 8 , ,,"),
        [want(400), want(200, _ELEVEN), want(206, Covers(_ELEVEN, ((1, 3), (4, 6), (7, 9)), OCTETS))],
    ),
    *(
        rfc(
            f"go-serve-{slug(value)}",
            "G1 G2 G3",
            "14.2",
            get("/download/eleven.txt", Range=value),
            want(206, Covers(_ELEVEN, tuple(slices), OCTETS)),
        )
        for value, slices in SERVED
    ),
    choice(
        "go-serve-wasteful",
        "G18",
        "Go ignores ranges that add up to more than the file; merged they are the file",
        get("/download/eleven.txt", Range="bytes=0-,1-,2-,3-,4-"),
        [want(206, _ELEVEN, content_range="bytes 0-10/11"), want(200, _ELEVEN)],
    ),
    *(
        rfc(
            f"go-serve-beyond-{value}",
            "G5",
            "15.5.17",
            get("/download/eleven.txt", Range=f"bytes={value}"),
            want(416, content_range="bytes */11"),
        )
        for value in BEYOND
    ),
    *CONTENT,
    *PATHS,
]
