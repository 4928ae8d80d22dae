"""What nginx holds itself to (range, range_if_range, not_modified of its test suite), put in words of our own.

The file has a thousand bytes, as nginx's. Where the verdict is not nginx's, the reason says what nginx does.
"""

from typing import Final

from tests.conformance import tree
from tests.conformance.case import Covers, choice, get, rfc, want

THOUSAND: Final = "/download/thousand.txt"
WHOLE: Final = tree.content("downloads/thousand.txt")
OCTETS: Final = "application/octet-stream"

RANGES = [
    *(
        rfc(
            f"nginx-range-{name}",
            rows,
            "14.1.2",
            get(THOUSAND, Range=value),
            want(
                206, WHOLE[start:stop], content_range=f"bytes {start}-{stop - 1}/1000", content_length=str(stop - start)
            ),
        )
        for name, rows, value, start, stop in (
            ("first-nine", "G1", "bytes=0-8", 0, 9),
            ("final", "G2", "bytes=-10", 990, 1000),
            ("final-explicit", "G2", "bytes=990-", 990, 1000),
            ("more-than-length", "G3", "bytes=990-1990", 990, 1000),
            ("last-adjusted", "G3", "bytes=0-10001", 0, 1000),
        )
    ),
    rfc(
        "nginx-range-multipart",
        "H1 G18",
        "15.3.7.2",
        get(THOUSAND, Range="bytes=0-9, -10, 10-19"),
        want(206, Covers(WHOLE, ((0, 20), (990, 1000)), OCTETS)),
    ),
    rfc(
        "nginx-range-multipart-big",
        "H1 G10",
        "14.1.1",
        get(THOUSAND, Range="bytes=0-9, -10, 100000-, 10-19"),
        want(206, Covers(WHOLE, ((0, 20), (990, 1000)), OCTETS)),
    ),
    rfc(
        "nginx-range-too-big",
        "G5",
        "15.5.17",
        get(THOUSAND, Range="bytes=100000-"),
        want(416, content_range="bytes */1000"),
    ),
    *(
        choice(
            f"nginx-range-{name}",
            "G7",
            "FastAPI refuses what is malformed by 400, nginx by 416 (RFC 9110 §14.2 allows both)",
            get(THOUSAND, Range=value),
            want(400),
        )
        for name, value in (
            ("alpha-first", "bytes=alpha"),
            ("alpha-last", "bytes=10-alpha"),
            ("no-hyphen", "bytes=10"),
            ("no-comma", "bytes=10-11 12-"),
        )
    ),
    choice(
        "nginx-range-malicious",
        "G18",
        "nginx ignores ranges that add up to more than the file; merged they are the file",
        get(THOUSAND, Range="bytes=0-10001, 0-0"),
        [want(206, WHOLE, content_range="bytes 0-999/1000"), want(200, WHOLE)],
    ),
]

IF_RANGE = [
    rfc(
        "nginx-if-range-wrong",
        "I2",
        "13.1.5",
        get(THOUSAND, Range="bytes=0-9", If_Range="wrong"),
        want(200, WHOLE, last_modified=tree.LAST_MODIFIED),
    ),
    rfc(
        "nginx-if-range-date",
        "I3",
        "13.1.5",
        get(THOUSAND, Range="bytes=0-9", If_Range=tree.LAST_MODIFIED),
        want(206, WHOLE[:10]),
    ),
    rfc(
        "nginx-if-range-date-wrong",
        "I3",
        "13.1.5",
        get(THOUSAND, Range="bytes=0-9", If_Range="Mon, 28 Sep 1970 06:00:00 GMT"),
        want(200, WHOLE),
    ),
]

_MODIFIED = want(200, WHOLE)
NOT_MODIFIED = [
    *(
        rfc(f"nginx-modified-since-{name}", "I7", "13.1.3", get(THOUSAND, If_Modified_Since=value), want(304, b""))
        for name, value in (
            ("0x7f000000", "Wed, 08 Jul 2037 22:53:52 GMT"),
            ("0x7fffffff", "Tue, 19 Jan 2038 03:14:07 GMT"),
            ("0x80000000", "Tue, 19 Jan 2038 03:14:08 GMT"),
            ("0x17fffffff", "Fri, 25 Feb 2174 09:42:23 GMT"),
        )
    ),
    *(
        rfc(f"nginx-none-match-{name}", "I6", "13.1.2", get(THOUSAND, If_None_Match=value), wanted)
        for name, value, wanted in (
            ("equal", "{etag}", want(304, b"")),
            ("other", '"foo"', _MODIFIED),
            ("list", '"foo", "bar", {etag} , "baz"', want(304, b"")),
            ("all", "*", want(304, b"")),
            ("weak", "{weak}", want(304, b"")),
        )
    ),
    *(
        rfc(f"nginx-match-{name}", "I8", "13.1.1", get(THOUSAND, If_Match=value), wanted)
        for name, value, wanted in (
            ("equal", "{etag}", _MODIFIED),
            ("other", '"foo"', want(412)),
            ("list", '"foo", "bar", \t{etag} , "baz"', _MODIFIED),
            ("all", "*", _MODIFIED),
            ("weak", "{weak}", want(412)),
        )
    ),
    rfc("nginx-match-of-nothing", "I12", "13.2.1", get("/download/nx", If_Match='"foo"'), want(404)),
]

CASES = [*RANGES, *IF_RANGE, *NOT_MODIFIED]
