"""multipart/byteranges as it must be framed: rows H1 to H5."""

import re

from tests.conformance import tree
from tests.conformance.case import PARTIAL, Case, Covers, Parts, choice, get, head, rfc, same, want

DATA = "/download/data.bin"
WHOLE = tree.content("downloads/data.bin")
OCTETS = "application/octet-stream"
MULTIPART = re.compile(r"multipart/byteranges; ?boundary=\"?[0-9A-Za-z'()+_,./:=?-]{1,70}\"?")


def _far(*slices: tuple[int, int]) -> str:
    return "bytes=" + ",".join(f"{start}-{stop - 1}" for start, stop in slices)


FRAMING = [
    same(
        "multipart-fields",
        "H1 H3",
        get(DATA, Range="bytes=0-9,1000-1009"),
        want(
            206,
            Covers(WHOLE, ((0, 10), (1000, 1010)), OCTETS),
            content_type=MULTIPART,
            content_range=None,
            content_length=re.compile("[0-9]+"),
            transfer_encoding=None,
        ),
        compare=PARTIAL,
        content="ranges",
    ),
    same(
        "multipart-keeps-the-fields-of-the-200",
        "H1 G1",
        get("/reports/range", Range="bytes=0-9,2000-2009"),
        want(
            206,
            content_type=MULTIPART,
            cache_control="private, max-age=3600",
            x_report_id="range",
            etag=re.compile('".*"'),
            last_modified=tree.LAST_MODIFIED,
        ),
        compare=PARTIAL,
        content="ranges",
    ),
    same(
        "multipart-part-type-of-a-report",
        "H2",
        get("/reports/range", Range="bytes=0-9,2000-2009"),
        want(206, Covers(tree.content("reports/range.pdf"), ((0, 10), (2000, 2010)), "application/pdf")),
        compare=PARTIAL,
        content="ranges",
    ),
    same(
        "multipart-part-type-of-a-video",
        "H2",
        get("/video/clip.mp4", Range="bytes=0-9,60000-"),
        want(206, Covers(tree.content("videos/clip.mp4"), ((0, 10), (60000, 70000)), "video/mp4")),
        compare=PARTIAL,
        content="ranges",
    ),
    same(
        "multipart-then-whole",
        "H3 N2",
        [get(DATA, Range="bytes=0-9,1000-1009"), get(DATA)],
        206,
        want(200, WHOLE),
        compare=PARTIAL,
        content="ranges",
    ),
    same(
        "multipart-inline-name",
        "H1 F1",
        get("/file/data.bin", Range="bytes=0-9,1000-1009"),
        want(206, content_disposition='inline; filename="data.bin"'),
        compare=PARTIAL,
        content="ranges",
    ),
    rfc(
        "multipart-head-is-whole",
        "H1 G20",
        "14.2",
        head(DATA, Range="bytes=0-9,1000-1009"),
        want(200, b"", content_length="5000"),
    ),
]

ORDER = [
    choice(
        f"multipart-order-{name}",
        "H4",
        "parts in the order they were asked, as RFC 9110 §15.3.7.2 prefers",
        get(DATA, Range=_far(*slices)),
        want(206, Parts(WHOLE, slices, OCTETS)),
    )
    for name, slices in {
        "ascending": ((0, 10), (1000, 1010), (3000, 3010)),
        "descending": ((3000, 3010), (1000, 1010), (0, 10)),
        "last-first": ((4000, 5000), (0, 10)),
        "mixed": ((1000, 1010), (4000, 4010), (0, 10), (2000, 2010)),
    }.items()
]

JOINED = [
    choice(
        f"multipart-gap-{gap}",
        "H4",
        "ranges nearer than the cost of a part may be joined (RFC 9110 §15.3.7.2)",
        get(DATA, Range=f"bytes=0-9,{10 + gap}-{19 + gap}"),
        want(206, Covers(WHOLE, ((0, 10), (10 + gap, 20 + gap)), OCTETS)),
    )
    for gap in (1, 2, 80, 200, 255, 256, 257, 258)
]

NEAR = [
    choice(
        "multipart-gap-79-is-one-part",
        "H4 H5",
        "below 80 bytes, which RFC 9110 §15.3.7.2 reckons a part to cost, ranges are joined",
        get(DATA, Range="bytes=0-9,89-98"),
        want(206, WHOLE[:99], content_range="bytes 0-98/5000"),
    ),
    choice(
        "multipart-gap-80-is-two-parts",
        "H4",
        "from 80 bytes on, which RFC 9110 §15.3.7.2 reckons a part to cost, they stay apart",
        get(DATA, Range="bytes=0-9,90-99"),
        want(206, Parts(WHOLE, ((0, 10), (90, 100)), OCTETS)),
    ),
    choice(
        "multipart-joined-in-the-place-of-the-first",
        "H4 G18",
        "what is joined stands where its first member was asked",
        get(DATA, Range="bytes=3000-3009,0-9,3005-3019,1000-1009,5-14"),
        want(206, Parts(WHOLE, ((3000, 3020), (0, 15), (1000, 1010)), OCTETS)),
    ),
]

ONE_LEFT = [
    same(
        f"one-part-{name}",
        "H5",
        get(DATA, Range=value),
        want(206, content_type=OCTETS, content_range=said),
        compare=PARTIAL,
    )
    for name, (value, said) in {
        "asked": ("bytes=0-9", "bytes 0-9/5000"),
        "after-merging": ("bytes=0-9,5-14,15-20", "bytes 0-20/5000"),
    }.items()
] + [
    rfc(
        "one-part-of-two-satisfiable",
        "H5 G10",
        "15.3.7.2",
        get(DATA, Range="bytes=0-9,9999-"),
        want(206, WHOLE[:10], content_type=OCTETS, content_range="bytes 0-9/5000"),
    ),
    rfc(
        "two-parts-of-three-satisfiable",
        "H1 G10",
        "14.1.1",
        get(DATA, Range="bytes=0-9,9999-,1000-1009"),
        want(206, Covers(WHOLE, ((0, 10), (1000, 1010)), OCTETS), content_range=None),
    ),
]

CASES: list[Case] = [*FRAMING, *ORDER, *JOINED, *NEAR, *ONE_LEFT]
