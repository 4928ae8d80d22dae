"""Range requests on the file routes: rows G1 to G24."""

from tests.conformance import tree
from tests.conformance.case import (
    EVERYWHERE,
    NGINX,
    PARTIAL,
    STATUS_ONLY,
    UNSIZED,
    Case,
    Covers,
    Request,
    Want,
    choice,
    get,
    head,
    rfc,
    same,
    send,
    want,
)

TEN = "/download/ten.txt"
DATA = "/download/data.bin"
WHOLE = tree.content("downloads/data.bin")
SIZE = len(WHOLE)
OCTETS = "application/octet-stream"
ALL_OF_TEN = want(200, tree.TEN, content_range=None)
UNSATISFIABLE = want(416, content_range="bytes */10", etag=None)


def _part(start: int, stop: int, whole: bytes = tree.TEN) -> Want:
    return want(
        206, whole[start:stop], content_range=f"bytes {start}-{stop - 1}/{len(whole)}", content_length=str(stop - start)
    )


def _many(*slices: tuple[int, int]) -> Want:
    return want(206, Covers(WHOLE, slices, OCTETS))


SINGLE = {
    "first-byte": ("G1", "bytes=0-0", 0, 1),
    "inner": ("G1", "bytes=3-6", 3, 7),
    "last-byte": ("G1", "bytes=9-9", 9, 10),
    "whole-as-a-range": ("G1", "bytes=0-9", 0, 10),
    "open": ("G2", "bytes=4-", 4, 10),
    "open-from-the-start": ("G2", "bytes=0-", 0, 10),
    "open-last-byte": ("G2", "bytes=9-", 9, 10),
    "suffix": ("G2", "bytes=-3", 7, 10),
    "suffix-of-one": ("G2", "bytes=-1", 9, 10),
    "suffix-of-all": ("G2", "bytes=-10", 0, 10),
    "end-beyond": ("G3", "bytes=5-99", 5, 10),
    "end-just-beyond": ("G3", "bytes=5-10", 5, 10),
    "suffix-beyond": ("G3", "bytes=-99", 0, 10),
    "suffix-just-beyond": ("G3", "bytes=-11", 0, 10),
    "leading-zeros": ("G4", "bytes=0002-0004", 2, 5),
    "leading-zeros-in-suffix": ("G4", "bytes=-0003", 7, 10),
    "forty-zeros": ("G4", f"bytes={'0' * 40}1-{'0' * 40}2", 1, 3),
    "unit-capitalised": ("G13", "Bytes=0-1", 0, 2),
    "unit-in-upper-case": ("G13", "BYTES=0-1", 0, 2),
    "end-of-64-bits": ("G24", "bytes=5-18446744073709551615", 5, 10),
    "end-of-26-digits": ("G24", "bytes=5-99999999999999999999999999", 5, 10),
    "suffix-of-26-digits": ("G24", "bytes=-99999999999999999999999999", 0, 10),
    "end-of-63-bits": ("G24", "bytes=5-9223372036854775807", 5, 10),
}
NOT_SATISFIABLE = {
    "start-at-the-end": ("G5", "bytes=10-"),
    "start-beyond": ("G5", "bytes=10-11"),
    "start-far-beyond": ("G5", "bytes=99-200"),
    "suffix-of-zero": ("G5", "bytes=-0"),
    "suffix-of-zeros": ("G5 G4", "bytes=-000"),
    "all-beyond": ("G5", "bytes=10-11,20-"),
    "start-of-64-bits": ("G24", "bytes=18446744073709551616-"),
    "start-of-26-digits": ("G24", "bytes=99999999999999999999999999-"),
}
MALFORMED = {
    "nothing": ("G7", "bytes="),
    "dash": ("G7", "bytes=-"),
    "letters": ("G7", "bytes=abc"),
    "hexadecimal": ("G7", "bytes=0x1-5"),
    "two-dashes": ("G7", "bytes=0-1-2"),
    "parameter": ("G7", "bytes=0-1;q=1"),
    "unit-alone": ("G7", "bytes"),
    "no-equals-sign": ("G7", "bytes 0-1"),
    "number-alone": ("G7", "bytes=5"),
    "decimal-point": ("G7", "bytes=1.0-5"),
    "commas-alone": ("G7 G12", "bytes=,,"),
    "reversed": ("G8", "bytes=5-2"),
    "reversed-by-one": ("G8", "bytes=5-4"),
    "reversed-among-valid": ("G8", "bytes=0-1,5-2"),
    "reversed-before-valid": ("G8", "bytes=5-2,0-1"),
    "quoted": ("G7", 'bytes="0-1"'),
    "unit-with-a-space": ("G7", "by tes=0-1"),
    "unit-with-a-slash": ("G7", "b/s=0-1"),
    "no-unit": ("G7", "=0-1"),
}
LENIENT = {
    "plus-sign": "bytes=+1-5",
    "underscore": "bytes=1_0-20",
    "underscore-in-end": "bytes=0-1_0",
    "second-sign": "bytes=-+5",
    "two-signs": "bytes=--5",
    "sign-in-end": "bytes=0-+5",
    "minus-in-end": "bytes=0--1",
    "superscript-latin-1": "bytes=0-\u00b2",
    "no-break-space": "bytes=\u00a00-1",
}

BASIC = [
    *(
        same(f"range-{name}", rows, get(TEN, Range=value), _part(start, stop), compare=PARTIAL)
        for name, (rows, value, start, stop) in SINGLE.items()
    ),
    *(
        same(f"range-{name}", rows, get(TEN, Range=value), UNSATISFIABLE, compare=STATUS_ONLY, content="free")
        for name, (rows, value) in NOT_SATISFIABLE.items()
    ),
    *(
        same(
            f"range-{name}",
            rows,
            get(TEN, Range=value),
            want(400, content_range=None),
            compare=STATUS_ONLY,
            content="free",
        )
        for name, (rows, value) in MALFORMED.items()
    ),
    *(
        rfc(f"range-{name}", "G11", "14.1.1", get(TEN, Range=value), [want(400), ALL_OF_TEN])
        for name, value in LENIENT.items()
    ),
    same(
        "range-empty-value",
        "G7",
        Request(TEN.encode(), headers=(("Range", ""),)),
        400,
        compare=STATUS_ONLY,
        content="free",
        on=EVERYWHERE - NGINX,
    ),
]

UNITS = [
    rfc(f"unit-{name}", "G9", "14.2", get(TEN, Range=value), ALL_OF_TEN)
    for name, value in {
        "items": "items=0-1",
        "seconds": "seconds=0-1",
        "bits": "bits=0-1",
        "bytes-and-more": "bytesx=0-1",
        "none": "none=0-1",
        "unknown-with-garbage": "pages=a,b;c",
    }.items()
]

SEVERAL = [
    same(f"ranges-{name}", rows, get(DATA, Range=value), _many(*slices), compare=PARTIAL, content="ranges")
    for name, (rows, value, slices) in {
        "two": ("H1 G1", "bytes=0-9,1000-1009", [(0, 10), (1000, 1010)]),
        "three": ("H1 G1", "bytes=0-9,1000-1009,4000-4099", [(0, 10), (1000, 1010), (4000, 4100)]),
        "open-and-suffix": ("G2 H1", "bytes=0-0,4990-", [(0, 1), (4990, SIZE)]),
        "first-and-suffix": ("G2 H1", "bytes=0-0,-1", [(0, 1), (SIZE - 1, SIZE)]),
        "clamped": ("G3 H1", "bytes=0-9,4000-99999", [(0, 10), (4000, SIZE)]),
        "spaces": ("G12", "bytes=0-9, 1000-1009", [(0, 10), (1000, 1010)]),
        "spaces-everywhere": ("G12", "bytes= 0-9 , 1000-1009 ", [(0, 10), (1000, 1010)]),
        "tabs": ("G12", "bytes=0-9\t,\t1000-1009", [(0, 10), (1000, 1010)]),
        "empty-elements": ("G12", "bytes=,0-9,,1000-1009,", [(0, 10), (1000, 1010)]),
        "sixteen": (
            "H1",
            "bytes=" + ",".join(f"{i * 300}-{i * 300}" for i in range(16)),
            [(i * 300, i * 300 + 1) for i in range(16)],
        ),
    }.items()
]

MERGED = [
    same(f"merged-{name}", f"{rows} H5", get(DATA, Range=value), _part(start, stop, WHOLE), compare=PARTIAL)
    for name, (rows, value, start, stop) in {
        "overlapping": ("G18", "bytes=0-9,5-19", 0, 20),
        "adjacent": ("G18", "bytes=0-9,10-19", 0, 20),
        "contained": ("G18", "bytes=0-99,10-19", 0, 100),
        "contained-after": ("G18", "bytes=10-19,0-99", 0, 100),
        "repeated": ("G18", "bytes=7-9,7-9,7-9", 7, 10),
        "descending-overlap": ("G18", "bytes=5-19,0-9", 0, 20),
        "suffix-in-open": ("G18 G2", "bytes=100-,-5", 100, SIZE),
        "all-twice": ("G18", "bytes=0-,0-", 0, SIZE),
        "one-with-empty-elements": ("G12", "bytes=,0-9,", 0, 10),
        "one-with-spaces": ("G12", "bytes=\t0-9 ,", 0, 10),
    }.items()
]

SOME_UNSATISFIABLE = [
    rfc(f"some-unsatisfiable-{name}", "G10", "14.1.1", get(TEN, Range=value), _part(start, stop))
    for name, (value, start, stop) in {
        "beyond": ("bytes=0-1,99-", 0, 2),
        "beyond-first": ("bytes=99-,0-1", 0, 2),
        "suffix-of-zero": ("bytes=0-1,-0", 0, 2),
        "two-beyond": ("bytes=99-,8-9,100-200", 8, 10),
    }.items()
]

MIXED = [
    choice(
        f"mixed-{name}",
        "G15",
        "valid and invalid together: refuse, ignore, or send exactly the valid ones",
        get(TEN, Range=value),
        [_part(0, 2), 400, UNSATISFIABLE, ALL_OF_TEN],
    )
    for name, value in {"garbage": "bytes=0-1,abc", "garbage-first": "bytes=abc,0-1", "dash": "bytes=0-1,-"}.items()
] + [
    choice(
        "reversed-beyond",
        "G15",
        "reversed and beyond the end at once: 400 or 416, or ignored",
        get(TEN, Range="bytes=20-5"),
        [400, UNSATISFIABLE, ALL_OF_TEN],
    ),
    *(
        choice(
            f"spaces-{name}",
            "G14",
            "the grammar has no space there; refusing, ignoring and forgiving are all right",
            get(TEN, Range=value),
            [_part(0, 2), 400, ALL_OF_TEN],
        )
        for name, value in {
            "around-dash": "bytes=0 - 1",
            "before-equals": "bytes =0-1",
            "after-equals": "bytes= 0-1",
        }.items()
    ),
]

_EVERY_OTHER = [(i * 40, i * 40 + 1) for i in range(100)]
LIMITS = [
    choice(
        f"ranges-{count}",
        "G16",
        "up to a hundred ranges may be served or ignored (RFC 9110 §14.2)",
        get(DATA, Range="bytes=" + ",".join(f"{a}-{b - 1}" for a, b in _EVERY_OTHER[:count])),
        [_many(*_EVERY_OTHER[:count]), want(200, WHOLE, content_range=None)],
    )
    for count in (17, 50, 100)
] + [
    same(
        "ranges-101",
        "G17",
        get(DATA, Range="bytes=" + ",".join(f"{i * 40}-{i * 40}" for i in range(101))),
        want(200, WHOLE, content_range=None),
    ),
    same(
        "ranges-200",
        "G17",
        get(DATA, Range="bytes=" + ",".join(f"{i * 20}-{i * 20}" for i in range(200))),
        want(200, WHOLE),
    ),
    choice(
        "commas-101",
        "G17",
        "a list of empty elements is no list of ranges; refusing it is right as well",
        get(DATA, Range="bytes=0-0" + "," * 101),
        [want(200, WHOLE), _part(0, 1, WHOLE), 400],
    ),
    choice(
        "digits-5000",
        "G24",
        "a number of 5,000 digits is beyond any file; any 4xx, or the whole",
        get(TEN, Range=f"bytes={'9' * 5000}-"),
        [UNSATISFIABLE, 400, ALL_OF_TEN],
    ),
    choice(
        "digits-5000-in-end",
        "G24",
        "clamped, refused or ignored, but never wrong",
        get(TEN, Range=f"bytes=0-{'9' * 5000}"),
        [_part(0, 10), 400, ALL_OF_TEN],
    ),
    rfc(
        "many-overlapping-do-not-amplify",
        "G18",
        "15.3.7.2",
        get(DATA, Range="bytes=" + ",".join(["0-"] * 100)),
        [_part(0, SIZE, WHOLE), want(200, WHOLE)],
    ),
]

EMPTY = [
    *(
        choice(
            f"empty-file-{name}",
            "G19",
            "no byte is there to be first, so nothing satisfies it (RFC 9110 §14.1.2)",
            get("/download/empty.bin", Range=value),
            want(416, content_range="bytes */0"),
        )
        for name, value in {"open": "bytes=0-", "first": "bytes=0-0", "suffix-of-zero": "bytes=-0"}.items()
    ),
    *(
        choice(
            f"empty-file-{name}",
            "G19",
            "satisfiable (RFC 9110 §14.1.2), but Content-Range has no words for no bytes; §14.2 lets it be ignored",
            get("/download/empty.bin", Range=value),
            want(200, b"", content_length="0", content_range=None),
        )
        for name, value in {"suffix": "bytes=-1", "suffix-among-others": "bytes=0-0,-5"}.items()
    ),
]

OTHERS = [
    *(
        rfc(
            f"head-with-{name}",
            "G20 B1",
            "14.2",
            [get(TEN), head(TEN, Range=value), get(TEN)],
            200,
            Want(200, like=0, body=b""),
            200,
        )
        for name, value in {"range": "bytes=0-1", "unsatisfiable": "bytes=99-", "malformed": "bytes=x"}.items()
    ),
    choice(
        "two-range-fields",
        "G21",
        "Range is no list field; any answer to one of them, or none, will do",
        Request(TEN.encode(), headers=(("Range", "bytes=0-1"), ("Range", "bytes=4-5"))),
        [_part(0, 2), _part(4, 6), 400, UNSATISFIABLE, ALL_OF_TEN, _part(0, 6)],
    ),
    same("range-on-redirect", "G22", get("/download/ten.txt/", Range="bytes=0-1"), want(307, b"", content_range=None)),
    same("range-on-405", "G22", send("DELETE", TEN, Range="bytes=0-1"), want(405, content_range=None)),
    same("range-on-422", "G22", get("/file/ten.txt?download=x", Range="bytes=0-1"), want(422, content_range=None)),
    same("range-on-404", "G22", get("/video/missing", Range="bytes=0-1"), want(404, content_range=None)),
    same(
        "connection-in-step-after-ranges",
        "N2 G1",
        [get(TEN, Range="bytes=0-1"), get(TEN, Range="bytes=99-"), get(TEN, Range="bytes=x"), get(TEN)],
        _part(0, 2),
        416,
        400,
        want(200, tree.TEN),
        compare=STATUS_ONLY,
        content="free",
    ),
]


def _on_route(name: str, target: str, path: str) -> list[Case]:
    """The same rules on each file route, with the fields of its 200 (row G1)."""
    whole = tree.content(path)
    return [
        same(f"{name}-first-bytes", "G1", get(target, Range="bytes=0-4"), _part(0, 5, whole), compare=PARTIAL),
        same(
            f"{name}-last-bytes",
            "G2",
            get(target, Range="bytes=-4"),
            _part(len(whole) - 4, len(whole), whole),
            compare=PARTIAL,
        ),
        same(
            f"{name}-beyond",
            "G5",
            get(target, Range=f"bytes={len(whole)}-"),
            want(416, content_range=f"bytes */{len(whole)}"),
            compare=STATUS_ONLY,
            content="free",
        ),
        same(f"{name}-malformed", "G7", get(target, Range="bytes=a-b"), 400, compare=STATUS_ONLY, content="free"),
        rfc(f"{name}-other-unit", "G9", "14.2", get(target, Range="lines=1-2"), want(200, whole)),
        same(
            f"{name}-two-ranges",
            "H1 H2",
            get(target, Range=f"bytes=0-1,{len(whole) - 2}-"),
            206,
            compare=PARTIAL,
            content="ranges",
        ),
    ]


ROUTES = [
    *_on_route("report", "/reports/range", "reports/range.pdf"),
    *_on_route("file", "/file/data.bin", "files/data.bin"),
    *_on_route("preview", "/preview/data.bin", "files/data.bin"),
    *_on_route("video", "/video/clip.mp4", "videos/clip.mp4"),
]

_LARGE, _CSV = tree.content("large-files/big.bin"), b"id,name,value\n"
STREAMED = [
    choice(
        "large-range",
        "G23",
        "a large file is what one resumes",
        get("/download/large/big.bin", Range="bytes=100-199"),
        _part(100, 200, _LARGE),
    ),
    choice(
        "async-range",
        "G23",
        "whole, or rightly in part",
        get("/download/async/data.bin", Range="bytes=0-9"),
        [want(200, tree.content("files/data.bin"), content_range=None), _part(0, 10, tree.content("files/data.bin"))],
    ),
    choice(
        "export-data-range",
        "G23",
        "whole, or rightly in part",
        get("/export/data", Range="bytes=0-13"),
        [want(200, content_range=None), want(206, _CSV, content_range="bytes 0-13/216682")],
    ),
    same(
        "export-users-range",
        "G23",
        get("/export/users", Range="bytes=0-9"),
        want(200, content_range=None),
        compare=("content-type", "content-range"),
    ),
    choice(
        "bundle-range",
        "G23 K8",
        "whole, or rightly in part",
        get("/download/bundle/one", Range="bytes=0-3"),
        [want(200, content_range=None), want(206, b"PK\x03\x04")],
    ),
    same(
        "large-whole",
        "G23 K2",
        get("/download/large/big.bin"),
        want(200, _LARGE, content_length="200000", transfer_encoding=None),
        compare=(*UNSIZED, "content-length"),
    ),
]

CASES = [*BASIC, *UNITS, *SEVERAL, *MERGED, *SOME_UNSATISFIABLE, *MIXED, *LIMITS, *EMPTY, *OTHERS, *ROUTES, *STREAMED]
