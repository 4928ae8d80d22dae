"""RFC 9110 sentence by sentence, for the answers about a file: each row is one MUST, SHOULD or MAY, put to `plan`.

The ids say the sentence in our words.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from asgi_downloads.http.message import Header, Representation
from asgi_downloads.http.validators import http_date
from tests.http.asking import (
    BOUNDARY,
    DATA,
    ETAG,
    FIELDS,
    FILE,
    MODIFIED,
    MODIFIED_DATE,
    NOW,
    NOW_DATE,
    Answer,
    ask,
)

FRESH = replace(FILE, etag=None, last_modified=None)
DATED = replace(FILE, etag=None)
TAGGED = replace(FILE, last_modified=None)
WEAK = replace(FILE, etag=b'W/"v1"')
FUTURE = replace(FILE, last_modified=NOW + 1000)
EMPTY = replace(FILE, size=0)
LATER, EARLIER = http_date(MODIFIED + 1), http_date(MODIFIED - 1)
MULTIPART = b"multipart/byteranges; boundary=" + BOUNDARY


def _part(start: int, stop: int) -> bytes:
    return b"--%b\r\nContent-Type: application/pdf\r\nContent-Range: bytes %d-%d/1000\r\n\r\n%b\r\n" % (
        BOUNDARY,
        start,
        stop - 1,
        DATA[start:stop],
    )


@dataclass(frozen=True)
class Case:
    """`has` are fields that must be there with this value, `lacks` must be absent; `content` None: not looked at."""

    id: str
    headers: tuple[Header, ...]
    status: int
    content: bytes | None = None
    has: dict[bytes, bytes] = field(default_factory=dict)
    lacks: tuple[bytes, ...] = ()
    method: str = "GET"
    representation: Representation = FILE
    now: int = NOW
    ranges: bool = True


def header(name: str, value: bytes) -> Header:
    return name.encode(), value


def if_match(value: bytes) -> Header:
    return b"if-match", value


def if_none_match(value: bytes) -> Header:
    return b"if-none-match", value


def if_modified_since(value: bytes) -> Header:
    return b"if-modified-since", value


def if_unmodified_since(value: bytes) -> Header:
    return b"if-unmodified-since", value


def if_range(value: bytes) -> Header:
    return b"if-range", value


def range_(value: bytes) -> Header:
    return b"range", value


TEN = range_(b"bytes=0-9")

FIELD_VALUES = [
    Case(
        "5.3: lines of one list field count as one list",
        (if_none_match(b'"x"'), if_none_match(ETAG)),
        304,
    ),
    Case(
        "5.3: a field that is no list is invalid when it is repeated, so a date is ignored",
        (if_modified_since(MODIFIED_DATE), if_modified_since(MODIFIED_DATE)),
        200,
        DATA,
    ),
    Case("5.5: white space around a value is no part of it", (if_none_match(b' \t"v1" '),), 304),
    Case("5.6.1.2: a recipient MUST parse and ignore empty list elements", (if_none_match(b',, ,"v1",'),), 304),
    Case(
        "5.6.7: a recipient MUST accept IMF-fixdate",
        (if_modified_since(b"Sun, 06 Nov 1994 08:49:37 GMT"),),
        304,
    ),
    Case(
        "5.6.7: a recipient MUST accept the RFC 850 form",
        (if_modified_since(b"Sunday, 06-Nov-94 08:49:37 GMT"),),
        304,
    ),
    Case("5.6.7: a recipient MUST accept the asctime form", (if_modified_since(b"Sun Nov  6 08:49:37 1994"),), 304),
    Case(
        "5.6.7: two digits of year that seem over 50 years ahead MUST be read as past",
        (if_unmodified_since(b"Tuesday, 06-Nov-45 08:49:37 GMT"),),
        412,
    ),
    Case(
        "5.6.7: a sender MUST generate IMF-fixdate",
        (),
        200,
        has={b"last-modified": MODIFIED_DATE},
    ),
]

REPRESENTATIONS = [
    Case("8.3: content SHOULD come with its Content-Type", (), 200, DATA, {b"content-type": b"application/pdf"}),
    Case("8.6: Content-Length SHOULD be there when it is known", (), 200, DATA, {b"content-length": b"1000"}),
    Case(
        "8.6: also for no content at all",
        (),
        200,
        b"",
        {b"content-length": b"0"},
        representation=EMPTY,
    ),
    Case(
        "8.6: Content-Length of a HEAD MUST NOT differ from that of a GET",
        (),
        200,
        b"",
        {b"content-length": b"1000"},
        method="HEAD",
    ),
    Case(
        "8.6: Content-Length of a 304 MUST NOT differ from that of the 200, so there is none",
        (if_none_match(ETAG),),
        304,
        b"",
        lacks=(b"content-length",),
    ),
    Case(
        "8.8.2.1: Last-Modified SHOULD be sent where there is a date",
        (),
        200,
        has={b"last-modified": MODIFIED_DATE},
        representation=DATED,
    ),
    Case(
        "8.8.2.1: Last-Modified MUST NOT be later than the message",
        (),
        200,
        has={b"last-modified": NOW_DATE},
        representation=FUTURE,
    ),
    Case(
        "8.8.2.1: also when it is of this very second",
        (),
        200,
        has={b"last-modified": NOW_DATE},
        representation=replace(FILE, last_modified=NOW),
    ),
    Case(
        "8.8.2.1: a date in the future MUST be replaced before it is compared too",
        (if_modified_since(NOW_DATE),),
        304,
        representation=FUTURE,
    ),
    Case(
        "8.8.2.1: so what was sent a second ago no longer counts as unmodified",
        (if_modified_since(NOW_DATE),),
        200,
        DATA,
        representation=FUTURE,
        now=NOW + 1,
    ),
    Case(
        "8.8.2.2: a date is weak while its second lasts, so it does not carry a Range",
        (TEN, if_range(NOW_DATE)),
        200,
        DATA,
        representation=replace(FILE, last_modified=NOW),
    ),
    Case(
        "8.8.2.2: a date at least a second old is a strong validator",
        (TEN, if_range(MODIFIED_DATE)),
        206,
        DATA[:10],
        now=MODIFIED + 1,
    ),
    Case("8.8.3: ETag is one entity tag, with quotes", (), 200, has={b"etag": b'"v1"'}),
    Case("8.8.3.1: ETag SHOULD be sent where changes can be told", (), 200, has={b"etag": ETAG}, representation=TAGGED),
    Case(
        "8.8.3.2: equal opaque tags compare strongly only if neither is weak",
        (if_match(b'W/"v1"'),),
        412,
    ),
    Case("8.8.3.2: equal opaque tags compare weakly whichever is weak", (if_none_match(b'W/"v1"'),), 304),
    Case("8.8.3.2: tags compare octet by octet", (if_none_match(b'"V1"'),), 200, DATA),
    Case(
        "15.3.1: a 200 SHOULD have all validators, a strong tag and a date preferred",
        (),
        200,
        has={b"etag": ETAG, b"last-modified": MODIFIED_DATE},
    ),
    Case(
        "8.8: without validators there are none in the answer",
        (),
        200,
        DATA,
        lacks=(b"etag", b"last-modified"),
        representation=FRESH,
    ),
]

HEAD = [
    Case("9.3.2: HEAD MUST NOT have content", (), 200, b"", method="HEAD"),
    Case(
        "9.3.2: HEAD SHOULD have the fields of GET",
        (),
        200,
        b"",
        {
            b"content-type": b"application/pdf",
            b"content-length": b"1000",
            b"accept-ranges": b"bytes",
            b"etag": ETAG,
            b"last-modified": MODIFIED_DATE,
            **dict(FIELDS),
        },
        method="HEAD",
    ),
    Case("9.3.2: HEAD is conditional as GET is: 304", (if_none_match(ETAG),), 304, b"", method="HEAD"),
    Case("9.3.2: HEAD is conditional as GET is: 412", (if_match(b'"x"'),), 412, method="HEAD"),
]

IF_MATCH = [
    Case("13.1.1: the condition is true for a tag that matches", (if_match(ETAG),), 200, DATA),
    Case("13.1.1: or one of several", (if_match(b'"x", "v1"'),), 200, DATA),
    Case("13.1.1: or in several lines", (if_match(b'"x"'), if_match(b'"v1"')), 200, DATA),
    Case("13.1.1: a star is true if there is a representation", (if_match(b"*"),), 200, DATA),
    Case("13.1.1: also one without a tag", (if_match(b"*"),), 200, DATA, representation=FRESH),
    Case("13.1.1: otherwise it is false and the method MUST NOT be performed", (if_match(b'"x"'),), 412),
    Case("13.1.1: no tag of ours, no match", (if_match(ETAG),), 412, representation=FRESH),
    Case("13.1.1: the comparison MUST be strong: a weak tag asked", (if_match(b'W/"v1"'),), 412),
    Case("13.1.1: the comparison MUST be strong: a weak tag of ours", (if_match(ETAG),), 412, representation=WEAK),
    Case("13.1.1: what names no tag guards all the same", (if_match(b"v1"),), 412),
]

IF_NONE_MATCH = [
    Case("13.1.2: a tag that matches is false: 304", (if_none_match(ETAG),), 304, b""),
    Case("13.1.2: or one of several", (if_none_match(b'"x", W/"y", "v1"'),), 304, b""),
    Case("13.1.2: a star is false if there is a representation", (if_none_match(b"*"),), 304, b""),
    Case("13.1.2: also one without a tag", (if_none_match(b"*"),), 304, b"", representation=FRESH),
    Case("13.1.2: otherwise it is true", (if_none_match(b'"x"'),), 200, DATA),
    Case("13.1.2: the comparison MUST be weak: a weak tag asked", (if_none_match(b'W/"v1"'),), 304, b""),
    Case("13.1.2: the comparison MUST be weak: a weak tag of ours", (if_none_match(ETAG),), 304, representation=WEAK),
    Case("13.1.2: what names no tag has no hit", (if_none_match(b"v1"),), 200, DATA),
    Case("13.1.2: a malformed member spoils the list", (if_none_match(b'"v1", v'),), 200, DATA),
]

IF_MODIFIED_SINCE = [
    Case("13.1.3: the same date is false: 304", (if_modified_since(MODIFIED_DATE),), 304, b""),
    Case("13.1.3: a later date is false: 304", (if_modified_since(LATER),), 304, b""),
    Case("13.1.3: an earlier date is true", (if_modified_since(EARLIER),), 200, DATA),
    Case(
        "13.1.3: MUST be ignored beside If-None-Match",
        (if_none_match(b'"x"'), if_modified_since(LATER)),
        200,
        DATA,
    ),
    Case(
        "13.1.3: beside If-None-Match also when that is malformed",
        (if_none_match(b"x"), if_modified_since(LATER)),
        200,
        DATA,
    ),
    Case("13.1.3: MUST be ignored when it is no date", (if_modified_since(b"tomorrow"),), 200, DATA),
    Case(
        "13.1.3: MUST be ignored with more than one member",
        (if_modified_since(LATER + b", " + LATER),),
        200,
        DATA,
    ),
    Case(
        "13.1.3: MUST be ignored without a modification date",
        (if_modified_since(LATER),),
        200,
        DATA,
        representation=TAGGED,
    ),
]

IF_UNMODIFIED_SINCE = [
    Case("13.1.4: the same date is true", (if_unmodified_since(MODIFIED_DATE),), 200, DATA),
    Case("13.1.4: a later date is true", (if_unmodified_since(LATER),), 200, DATA),
    Case("13.1.4: an earlier date is false and the method MUST NOT be performed", (if_unmodified_since(EARLIER),), 412),
    Case(
        "13.1.4: MUST be ignored beside If-Match",
        (if_match(ETAG), if_unmodified_since(EARLIER)),
        200,
        DATA,
    ),
    Case("13.1.4: MUST be ignored when it is no date", (if_unmodified_since(b"yesterday"),), 200, DATA),
    Case(
        "13.1.4: MUST be ignored when it seems a list of dates",
        (if_unmodified_since(EARLIER + b", " + EARLIER),),
        200,
        DATA,
    ),
    Case(
        "13.1.4: MUST be ignored without a modification date",
        (if_unmodified_since(EARLIER),),
        200,
        DATA,
        representation=TAGGED,
    ),
]

IF_RANGE = [
    Case("13.1.5: MUST be ignored without Range", (if_range(b'"x"'),), 200, DATA, {b"etag": ETAG}),
    Case(
        "13.1.5: MUST be ignored where ranges are not supported",
        (TEN, if_range(ETAG)),
        200,
        DATA,
        ranges=False,
    ),
    Case("13.1.5: true for the strong tag: Range SHOULD be processed", (TEN, if_range(ETAG)), 206, DATA[:10]),
    Case("13.1.5: false for another tag: Range MUST be ignored", (TEN, if_range(b'"x"')), 200, DATA),
    Case("13.1.5: the comparison is strong: a weak tag asked", (TEN, if_range(b'W/"v1"')), 200, DATA),
    Case(
        "13.1.5: the comparison is strong: a weak tag of ours",
        (TEN, if_range(b'W/"v1"')),
        200,
        DATA,
        representation=WEAK,
    ),
    Case("13.1.5: without a strong validator of ours it is false", (TEN, if_range(ETAG)), 200, representation=FRESH),
    Case("13.1.5: true for exactly the date", (TEN, if_range(MODIFIED_DATE)), 206, DATA[:10]),
    Case("13.1.5: a later date is no exact match", (TEN, if_range(LATER)), 200, DATA),
    Case("13.1.5: an earlier date is no exact match", (TEN, if_range(EARLIER)), 200, DATA),
    Case("13.1.5: a list of tags is neither tag nor date", (TEN, if_range(b'"v1", "v1"')), 200, DATA),
    Case("13.1.5: a star is neither tag nor date", (TEN, if_range(b"*")), 200, DATA),
    Case("13.1.5: a repeated line is neither", (TEN, if_range(ETAG), if_range(ETAG)), 200, DATA),
    Case("13.1.5: when false, even a malformed Range is ignored", (range_(b"bytes=x"), if_range(b'"x"')), 200, DATA),
    Case("13.1.5: when false, a Range beyond is ignored", (range_(b"bytes=5000-"), if_range(b'"x"')), 200, DATA),
    Case("13.1.5: when true, a Range beyond is not", (range_(b"bytes=5000-"), if_range(ETAG)), 416),
]

PRECEDENCE = [
    Case(
        "13.2.1: fields that make no condition change nothing",
        (header("if-fancy", b"x"), header("accept", b"*/*")),
        200,
        DATA,
    ),
    Case("13.2.2 step 1: If-Match false is 412", (if_match(b'"x"'), if_none_match(ETAG), TEN), 412),
    Case("13.2.2 step 1: If-Match true goes on to step 3", (if_match(ETAG), if_none_match(ETAG)), 304),
    Case(
        "13.2.2 step 1: If-Match true passes over step 2",
        (if_match(ETAG), if_unmodified_since(EARLIER), TEN),
        206,
        DATA[:10],
    ),
    Case(
        "13.2.2 step 2: If-Unmodified-Since false is 412",
        (if_unmodified_since(EARLIER), if_none_match(ETAG)),
        412,
    ),
    Case("13.2.2 step 2: If-Unmodified-Since true goes on", (if_unmodified_since(LATER), if_none_match(ETAG)), 304),
    Case("13.2.2 step 3: If-None-Match false is 304", (if_none_match(ETAG), if_modified_since(EARLIER)), 304),
    Case(
        "13.2.2 step 3: If-None-Match true passes over step 4",
        (if_none_match(b'"x"'), if_modified_since(LATER), TEN),
        206,
        DATA[:10],
    ),
    Case("13.2.2 step 4: If-Modified-Since false is 304", (if_modified_since(LATER), TEN), 304),
    Case(
        "13.2.2 step 4: If-Modified-Since true goes on",
        (if_modified_since(EARLIER), TEN, if_range(ETAG)),
        206,
        DATA[:10],
    ),
    Case("13.2.2 step 5: If-Range true answers the Range", (TEN, if_range(ETAG)), 206, DATA[:10]),
    Case("13.2.2 step 5: If-Range false answers the whole", (TEN, if_range(b'"x"')), 200, DATA),
    Case(
        "14.2: Range comes after the preconditions: 304 before 416",
        (range_(b"bytes=5000-"), if_none_match(ETAG)),
        304,
    ),
    Case("14.2: Range comes after the preconditions: 304 before 400", (range_(b"bytes=x"), if_none_match(ETAG)), 304),
    Case("14.2: Range comes after the preconditions: 412 before 416", (range_(b"bytes=5000-"), if_match(b'"x"')), 412),
]

RANGES = [
    Case("14.1: range units are case-insensitive", (range_(b"BYTES=0-9"),), 206, DATA[:10]),
    Case("14.1.1: a last position before the first is invalid: refused", (range_(b"bytes=9-0"),), 400),
    Case("14.1.1: a set is satisfiable if one member is", (range_(b"bytes=5000-,0-9"),), 206, DATA[:10]),
    Case("14.1.2: positions start at zero and include the last", (range_(b"bytes=1-1"),), 206, DATA[1:2]),
    Case("14.1.2: a last beyond the end means the end", (range_(b"bytes=990-5000"),), 206, DATA[990:]),
    Case("14.1.2: no last means the end", (range_(b"bytes=990-"),), 206, DATA[990:]),
    Case("14.1.2: a suffix takes the last bytes", (range_(b"bytes=-10"),), 206, DATA[-10:]),
    Case(
        "14.1.2: a suffix longer than the content takes all",
        (range_(b"bytes=-5000"),),
        206,
        DATA,
        {b"content-range": b"bytes 0-999/1000"},
    ),
    Case("14.1.2: a first at the end is unsatisfiable", (range_(b"bytes=1000-"),), 416),
    Case("14.1.2: a suffix of zero is unsatisfiable", (range_(b"bytes=-0"),), 416),
    Case("14.1.2: MUST anticipate large numerals: last", (range_(b"bytes=990-1" + b"0" * 5000),), 206, DATA[990:]),
    Case("14.1.2: MUST anticipate large numerals: first", (range_(b"bytes=1" + b"0" * 5000 + b"-"),), 416),
    Case("14.1.2: MUST anticipate large numerals: suffix", (range_(b"bytes=-%d" % 2**64),), 206, DATA),
    Case("14.2: MUST ignore Range with a method that has none: HEAD", (TEN,), 200, b"", method="HEAD"),
    Case("14.2: also a malformed one", (range_(b"bytes=x"),), 200, b"", method="HEAD"),
    Case("14.2: MUST ignore a unit that is not understood", (range_(b"lines=0-9"),), 200, DATA),
    Case("14.2: also beside If-Range", (range_(b"lines=0-9"), if_range(ETAG)), 200, DATA),
    Case("14.2: MAY ignore or refuse an invalid Range: refused, as FastAPI does", (range_(b"bytes=0-1,a"),), 400),
    Case(
        "14.2: MAY ignore a set of very many ranges: over a hundred",
        (range_(b"bytes=" + b",".join([b"%d-" % i for i in range(101)])),),
        200,
        DATA,
    ),
    Case(
        "14.2: MAY ignore Range for no content: only where 206 has no words",
        (range_(b"bytes=-5"),),
        200,
        b"",
        {b"content-length": b"0"},
        representation=EMPTY,
    ),
    Case("14.2: a valid and satisfiable Range SHOULD be answered with 206", (TEN,), 206, DATA[:10]),
    Case("14.2: also the range of everything", (range_(b"bytes=0-"),), 206, DATA, {b"content-length": b"1000"}),
    Case("14.2: an unsatisfiable Range SHOULD be answered with 416", (range_(b"bytes=5000-6000"),), 416),
    Case(
        "14.2: also for no content",
        (range_(b"bytes=0-"),),
        416,
        None,
        {b"content-range": b"bytes */0"},
        representation=EMPTY,
    ),
    Case("14.3: Accept-Ranges tells that ranges are supported", (), 200, DATA, {b"accept-ranges": b"bytes"}),
    Case("14.3: and is absent where they are not", (), 200, DATA, lacks=(b"accept-ranges",), ranges=False),
    Case("14.2: Range is ignored where it is not supported", (TEN,), 200, DATA, ranges=False),
    Case("14.4: MUST ignore Content-Range in a request", (header("content-range", b"bytes 0-1/9"),), 200, DATA),
    Case(
        "14.4: the complete length SHOULD be said",
        (TEN,),
        206,
        DATA[:10],
        {b"content-range": b"bytes 0-9/1000"},
    ),
    Case(
        "14.4: a 416 SHOULD say the complete length",
        (range_(b"bytes=1000-"),),
        416,
        b'{"detail":"Range Not Satisfiable"}',
        {b"content-range": b"bytes */1000"},
    ),
    Case(
        "15.5.17: a 416 SHOULD say the current length",
        (range_(b"bytes=-0"),),
        416,
        has={b"content-range": b"bytes */1000"},
    ),
]

PARTIAL = [
    Case(
        "15.3.7: a 206 MUST have Cache-Control, ETag and Vary as the 200 has",
        (TEN,),
        206,
        has={b"etag": ETAG, b"cache-control": b"private, max-age=3600", b"vary": b"accept-encoding"},
    ),
    Case(
        "15.3.7: also Expires, Content-Location and Date, where the 200 has them",
        (TEN, if_range(ETAG)),
        206,
        has={b"expires": b"0", b"content-location": b"/x", b"date": NOW_DATE},
        representation=replace(FILE, fields=((b"expires", b"0"), (b"content-location", b"/x"), (b"date", NOW_DATE))),
    ),
    Case(
        "15.3.7: Content-Length is that of the part",
        (TEN,),
        206,
        DATA[:10],
        {b"content-length": b"10"},
    ),
    Case(
        "15.3.7: without If-Range it MUST have all representation fields of the 200",
        (TEN,),
        206,
        has={
            b"content-type": b"application/pdf",
            b"last-modified": MODIFIED_DATE,
            b"content-disposition": b'attachment; filename="data.bin"',
        },
    ),
    Case(
        "15.3.7: with If-Range it SHOULD NOT have those that nothing requires",
        (TEN, if_range(ETAG)),
        206,
        DATA[:10],
        {
            b"content-length": b"10",
            b"content-range": b"bytes 0-9/1000",
            b"accept-ranges": b"bytes",
            b"etag": ETAG,
            b"cache-control": b"private, max-age=3600",
            b"vary": b"accept-encoding",
            b"x-report-id": b"7",
        },
        lacks=(b"content-type", b"last-modified", b"content-disposition"),
    ),
    Case(
        "15.3.7: with a date in If-Range likewise",
        (TEN, if_range(MODIFIED_DATE)),
        206,
        lacks=(b"content-type", b"last-modified"),
        representation=DATED,
    ),
    Case(
        "15.3.7.1: a single part MUST have Content-Range",
        (range_(b"bytes=5-6"),),
        206,
        DATA[5:7],
        {b"content-range": b"bytes 5-6/1000"},
    ),
    Case(
        "15.3.7.2: several parts MUST be multipart/byteranges with a boundary",
        (range_(b"bytes=0-9,500-509"),),
        206,
        _part(0, 10) + _part(500, 510) + b"--%b--\r\n" % BOUNDARY,
        {b"content-type": MULTIPART, b"content-length": b"218", b"etag": ETAG, b"last-modified": MODIFIED_DATE},
    ),
    Case(
        "15.3.7.2: a multipart answer MUST NOT have Content-Range itself",
        (range_(b"bytes=0-9,500-509"),),
        206,
        lacks=(b"content-range",),
    ),
    Case(
        "15.3.7.2: with If-Range its parts still SHOULD have the Content-Type of the 200",
        (range_(b"bytes=0-9,500-509"), if_range(ETAG)),
        206,
        _part(0, 10) + _part(500, 510) + b"--%b--\r\n" % BOUNDARY,
        {b"content-type": MULTIPART},
        lacks=(b"content-range", b"last-modified"),
    ),
    Case(
        "15.3.7.2: ranges that overlap MAY be joined",
        (range_(b"bytes=0-9,5-19"),),
        206,
        DATA[:20],
        {b"content-range": b"bytes 0-19/1000"},
    ),
    Case(
        "15.3.7.2: ranges with a gap that costs less than a part MAY be joined",
        (range_(b"bytes=0-9,89-99"),),
        206,
        DATA[:100],
        {b"content-range": b"bytes 0-99/1000"},
    ),
    Case(
        "15.3.7.2: one range asked MUST NOT be answered with multipart",
        (TEN,),
        206,
        DATA[:10],
        {b"content-type": b"application/pdf"},
    ),
    Case(
        "15.3.7.2: one range left MAY be multipart, and is not",
        (range_(b"bytes=0-9,5000-"),),
        206,
        DATA[:10],
        {b"content-type": b"application/pdf", b"content-range": b"bytes 0-9/1000"},
    ),
    Case(
        "15.3.7.2: parts SHOULD be in the order asked",
        (range_(b"bytes=500-509,-10,0-9"),),
        206,
        _part(500, 510) + _part(990, 1000) + _part(0, 10) + b"--%b--\r\n" % BOUNDARY,
    ),
]

NOT_MODIFIED = [
    Case(
        "15.4.5: a 304 MUST have Cache-Control, ETag and Vary as the 200 has",
        (if_none_match(ETAG),),
        304,
        b"",
        {b"etag": ETAG, b"cache-control": b"private, max-age=3600", b"vary": b"accept-encoding"},
    ),
    Case(
        "15.4.5: also Expires, Content-Location and Date, where the 200 has them",
        (if_none_match(ETAG),),
        304,
        b"",
        {b"expires": b"0", b"content-location": b"/x", b"date": NOW_DATE},
        representation=replace(FILE, fields=((b"expires", b"0"), (b"content-location", b"/x"), (b"date", NOW_DATE))),
    ),
    Case(
        "15.4.5: other representation metadata SHOULD NOT be in it",
        (if_none_match(ETAG),),
        304,
        b"",
        lacks=(
            b"content-type",
            b"content-length",
            b"content-range",
            b"content-disposition",
            b"content-encoding",
            b"content-language",
            b"repr-digest",
            b"last-modified",
        ),
        representation=replace(
            FILE,
            fields=(*FIELDS, (b"content-encoding", b"x"), (b"content-language", b"en"), (b"repr-digest", b"x")),
        ),
    ),
    Case(
        "15.4.5: unless it guides a cache, as Last-Modified does without an ETag",
        (if_modified_since(MODIFIED_DATE),),
        304,
        b"",
        {b"last-modified": MODIFIED_DATE},
        lacks=(b"etag",),
        representation=DATED,
    ),
    Case("15.4.5: a 304 to a HEAD is the same", (if_none_match(ETAG),), 304, b"", {b"etag": ETAG}, method="HEAD"),
    Case("15.4.5: a 304 ignores Range", (if_none_match(ETAG), TEN), 304, b"", lacks=(b"content-range",)),
]

FAILED = [
    Case(
        "15.5: an error SHOULD explain itself: 400",
        (range_(b"bytes=x"),),
        400,
        b'{"detail":"Malformed Range header: a range is first-last, first- or -length, in decimal digits"}',
    ),
    Case("15.5: an error SHOULD explain itself: 412", (if_match(b'"x"'),), 412, b'{"detail":"Precondition Failed"}'),
    Case(
        "15.5.13: a 412 has nothing of the representation",
        (if_match(b'"x"'),),
        412,
        lacks=(b"etag", b"last-modified", b"content-disposition", b"accept-ranges", b"cache-control"),
    ),
    Case(
        "15.5.17: nor has a 416",
        (range_(b"bytes=5000-"),),
        416,
        lacks=(b"etag", b"last-modified", b"content-disposition", b"accept-ranges", b"cache-control"),
    ),
]

TABLE = [
    *FIELD_VALUES,
    *REPRESENTATIONS,
    *HEAD,
    *IF_MATCH,
    *IF_NONE_MATCH,
    *IF_MODIFIED_SINCE,
    *IF_UNMODIFIED_SINCE,
    *IF_RANGE,
    *PRECEDENCE,
    *RANGES,
    *PARTIAL,
    *NOT_MODIFIED,
    *FAILED,
]


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.id)
def test_sentence(case: Case) -> None:
    data = DATA[: case.representation.size]
    answer = ask(case.method, case.headers, case.representation, now=case.now, ranges=case.ranges, data=data)
    assert answer.status == case.status
    if case.content is not None:
        assert answer.content == case.content
    assert {name: answer[name] for name in case.has} == case.has
    assert not set(answer.names) & set(case.lacks)


INVARIANTS: dict[str, Callable[[Case, Answer], bool]] = {
    "8.6: Content-Length is the length of the content": lambda case, answer: (
        case.method == "HEAD" or answer[b"content-length"] in (None, b"%d" % len(answer.content))
    ),
    "8.6: 200 and 206 have Content-Length": lambda case, answer: (
        answer.status not in (200, 206) or answer[b"content-length"] is not None
    ),
    "6.4.1: HEAD and 304 have no content": lambda case, answer: (
        answer.content == b"" or (answer.status != 304 and (case.method != "HEAD" or answer.status >= 400))
    ),
    "8.8.2.1: Last-Modified is never later than the message": lambda case, answer: (
        answer[b"last-modified"] in (None, MODIFIED_DATE, http_date(case.now))
    ),
    "14.4: Content-Range is in single 206 and in 416 alone": lambda case, answer: (
        (answer[b"content-range"] is not None)
        == (answer.status == 416 or (answer.status == 206 and answer[b"content-type"] != MULTIPART))
    ),
    "5.1: names are lower case, values trimmed": lambda case, answer: all(
        name == name.lower() and value == value.strip() for name, value in answer.headers
    ),
}


@pytest.mark.parametrize("holds", INVARIANTS.values(), ids=INVARIANTS.keys())
def test_of_every_answer(holds: Callable[[Case, Answer], bool]) -> None:
    for case in TABLE:
        data = DATA[: case.representation.size]
        answer = ask(case.method, case.headers, case.representation, now=case.now, ranges=case.ranges, data=data)
        assert holds(case, answer), case.id


def test_head_equals_get_in_status_and_fields_for_every_row_without_a_range() -> None:
    for case in TABLE:
        if not any(name == b"range" for name, _ in case.headers):
            get, head = (
                ask(method, case.headers, case.representation, now=case.now, ranges=case.ranges)
                for method in ("GET", "HEAD")
            )
            assert (head.status, head.headers) == (get.status, get.headers), case.id


def test_ids_are_told_apart() -> None:
    ids = [case.id for case in TABLE]
    assert len(ids) == len(set(ids))
