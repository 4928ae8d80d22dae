"""Conditional requests on the file routes: rows I1 to I13."""

import re
from datetime import timedelta
from email.utils import format_datetime

from tests.conformance import tree
from tests.conformance.case import EVERYWHERE, NGINX, Request, Want, choice, get, head, rfc, same, send, want
from tests.conformance.cases.fields import FILES

TEN = "/download/ten.txt"
WHOLE = want(200, tree.TEN, content_range=None)
TWO = want(206, tree.TEN[:2], content_range="bytes 0-1/10")
NOT_MODIFIED = want(304, b"", content_range=None, etag=re.compile('".+"'))
FAILED = want(412, content_range=None)
ALSO_HONOURED = [WHOLE, TWO]
REQUIRED = ("content-range", "content-length", "etag", "cache-control")
"""What a 206 to an If-Range that holds must have; the rest RFC 9110 §15.3.7 would rather not see. FastAPI sends it."""
NOW = "Fri, 01 Jan 2038 00:00:00 GMT"

HONOURED = [
    same("if-range-etag", "I1", get(TEN, Range="bytes=0-1", If_Range="{etag}"), TWO, compare=REQUIRED),
    same(
        "if-range-etag-unsatisfiable",
        "I1",
        get(TEN, Range="bytes=99-", If_Range="{etag}"),
        want(416, content_range="bytes */10"),
        compare=("content-range",),
        content="free",
    ),
    same(
        "if-range-etag-malformed-range",
        "I1",
        get(TEN, Range="bytes=x", If_Range="{etag}"),
        400,
        compare=(),
        content="free",
    ),
    same("if-range-date", "I3", get(TEN, Range="bytes=0-1", If_Range="{last-modified}"), TWO, compare=REQUIRED),
    same("if-range-without-range", "I5", get(TEN, If_Range='"x"'), WHOLE),
    same("if-range-right-without-range", "I5", get(TEN, If_Range="{etag}"), WHOLE),
    *(
        same(
            f"if-range-etag-{name}",
            "I1",
            get(target, Range="bytes=0-1", If_Range="{etag}"),
            want(206, tree.content(path)[:2]),
            compare=REQUIRED,
        )
        for name, (target, path) in FILES.items()
    ),
    same(
        "if-range-multipart",
        "I1 H1",
        get("/download/data.bin", Range="bytes=0-1,4000-4001", If_Range="{etag}"),
        206,
        compare=REQUIRED,
        content="ranges",
    ),
    *(
        rfc(
            f"if-range-leaves-out-what-the-client-has-{name}",
            "I1",
            "15.3.7",
            get(target, Range="bytes=0-1", If_Range="{etag}"),
            want(
                206,
                tree.content(path)[:2],
                etag=re.compile('".+"'),
                last_modified=None,
                content_disposition=None,
                content_encoding=None,
            ),
        )
        for name, (target, path) in FILES.items()
    ),
    *(
        rfc(
            f"range-alone-has-all-{name}",
            "G1",
            "15.3.7",
            [get(target), get(target, Range="bytes=0-1")],
            200,
            want(
                206,
                tree.content(path)[:2],
                etag=re.compile('".+"'),
                last_modified=tree.LAST_MODIFIED,
                content_type=re.compile(".+"),
            ),
        )
        for name, (target, path) in FILES.items()
    ),
]

IGNORED = (
    [
        same(f"if-range-{name}", rows, get(TEN, Range=range_, If_Range=value), WHOLE)
        for name, rows, range_, value in (
            ("weak", "I2", "bytes=0-1", "{weak}"),
            ("another-tag", "I2", "bytes=0-1", '"another"'),
            ("unquoted", "I2", "bytes=0-1", "{tag}"),
            ("star", "I2", "bytes=0-1", "*"),
            ("list", "I2", "bytes=0-1", '{etag}, "another"'),
            ("list-first-wrong", "I2", "bytes=0-1", '"another", {etag}'),
            ("garbage", "I2", "bytes=0-1", "!!"),
            ("half-quoted", "I2", "bytes=0-1", '"{tag}'),
            ("upper-case-weak", "I2", "bytes=0-1", "w/{etag}"),
            ("earlier-date", "I3", "bytes=0-1", tree.EARLIER),
            ("later-date", "I3", "bytes=0-1", tree.LATER),
            ("garbage-date", "I3", "bytes=0-1", "Tue, 99 Nov 2023 22:13:20 GMT"),
            ("another-tag-and-unsatisfiable", "I2", "bytes=99-", '"another"'),
            ("another-tag-and-malformed", "I2", "bytes=x", '"another"'),
            ("later-date-and-unsatisfiable", "I3 I2", "bytes=99-", tree.LATER),
        )
    ]
    + [
        choice(
            f"if-range-{name}",
            "I3",
            "the same instant in an obsolete form: honouring it is right as well (RFC 9110 §5.6.7)",
            get(TEN, Range="bytes=0-1", If_Range=value),
            ALSO_HONOURED,
        )
        for name, value in (("rfc-850", tree.RFC850), ("asctime", tree.ASCTIME))
    ]
    + [
        same(
            "if-range-empty",
            "I2",
            Request(TEN.encode(), headers=(("Range", "bytes=0-1"), ("If-Range", ""))),
            WHOLE,
            on=frozenset({"in-process", "in-process-zerocopy", "serve", "uvicorn", "hypercorn", "granian"}),
        ),
    ]
)

LEAP = "/download/month-06.txt"
"""Modified at 12:30:00, which a leap second may also call 12:29:60."""

DATES = [
    rfc(
        "date-with-a-leap-second",
        "I7",
        "5.6.7",
        get(LEAP, If_Modified_Since="Sun, 06 Jun 2021 12:29:60 GMT"),
        want(304, b""),
    ),
    rfc(
        "date-with-a-leap-second-earlier",
        "I7",
        "5.6.7",
        get(LEAP, If_Modified_Since="Sun, 06 Jun 2021 12:28:60 GMT"),
        200,
    ),
    rfc("date-just-before", "I7", "5.6.7", get(LEAP, If_Modified_Since="Sun, 06 Jun 2021 12:29:59 GMT"), 200),
    rfc("date-with-second-61", "I7", "5.6.7", get(LEAP, If_Modified_Since="Sun, 06 Jun 2021 12:30:61 GMT"), 200),
    rfc(
        "date-of-two-digits-in-the-past",
        "I7",
        "5.6.7",
        get(TEN, If_Modified_Since="Sunday, 06-Nov-94 08:49:37 GMT"),
        WHOLE,
    ),
    rfc(
        "date-of-two-digits-in-the-past-unmodified",
        "I9",
        "5.6.7",
        get(TEN, If_Unmodified_Since="Sunday, 06-Nov-94 08:49:37 GMT"),
        FAILED,
    ),
    rfc(
        "date-of-two-digits-in-the-future",
        "I7",
        "5.6.7",
        get(TEN, If_Modified_Since="Sunday, 06-Nov-44 08:49:37 GMT"),
        NOT_MODIFIED,
    ),
    rfc(
        "date-in-asctime-with-one-digit",
        "I7",
        "5.6.7",
        get(TEN, If_Modified_Since="Sun Nov  6 08:49:37 2033"),
        NOT_MODIFIED,
    ),
    rfc(
        "date-in-asctime-with-zero",
        "I7",
        "5.6.7",
        get(TEN, If_Modified_Since="Sun Nov 06 08:49:37 2033"),
        [WHOLE, NOT_MODIFIED],
    ),
    rfc(
        "date-in-lower-case",
        "I7",
        "5.6.7",
        get(TEN, If_Modified_Since="sun, 06 nov 2033 08:49:37 gmt"),
        [WHOLE, NOT_MODIFIED],
    ),
    rfc("date-in-another-zone", "I7", "5.6.7", get(TEN, If_Modified_Since="Sun, 06 Nov 2033 08:49:37 +0100"), WHOLE),
    *(
        rfc(
            f"date-of-{name}",
            "I7",
            "5.6.7",
            get(f"/download/{name}", If_Modified_Since=format_datetime(moment, usegmt=True)),
            want(304, b""),
        )
        for name, moment in tree.MONTHS.items()
    ),
    *(
        rfc(
            f"date-before-{name}",
            "I7",
            "5.6.7",
            get(f"/download/{name}", If_Modified_Since=format_datetime(moment - timedelta(seconds=1), usegmt=True)),
            200,
        )
        for name, moment in tree.MONTHS.items()
    ),
]

NONE_MATCH = [
    *(
        rfc(f"if-none-match-{name}", "I6", "13.1.2", get(TEN, If_None_Match=value), NOT_MODIFIED)
        for name, value in {
            "equal": "{etag}",
            "weak": "{weak}",
            "star": "*",
            "list-first": '{etag}, "b"',
            "list-last": '"a", "b", {etag}',
            "list-weak": 'W/"a", {weak}',
            "list-without-spaces": '"a",{etag},"b"',
            "list-with-empty-elements": ",, {etag},",
            "comma-in-a-tag": '"a,b", {etag}',
            "tab": '"a",\t{etag}',
        }.items()
    ),
    *(
        rfc(f"if-none-match-{name}", "I6", "13.1.2", get(TEN, If_None_Match=value), WHOLE)
        for name, value in {
            "another": '"another"',
            "unquoted": "{tag}",
            "half-quoted": '"{tag}',
            "lower-case-weak": "w/{etag}",
            "part": '"{tag}x"',
            "garbage": "!!",
            "star-quoted": '"*"',
            "single-quotes": "'{tag}'",
        }.items()
    ),
    rfc(
        "if-none-match-two-lines",
        "I6",
        "5.3",
        Request(TEN.encode(), headers=(("If-None-Match", '"a"'), ("If-None-Match", "{etag}"))),
        NOT_MODIFIED,
        on=EVERYWHERE - NGINX,
    ),
    rfc(
        "if-none-match-two-lines-none",
        "I6",
        "5.3",
        Request(TEN.encode(), headers=(("If-None-Match", '"a"'), ("If-None-Match", '"b"'))),
        WHOLE,
        on=EVERYWHERE - NGINX,
    ),
    rfc("if-none-match-head", "I6", "13.1.2", [head(TEN, If_None_Match="{etag}"), get(TEN)], NOT_MODIFIED, WHOLE),
    *(
        rfc(f"if-none-match-{name}", "I6", "13.1.2", get(target, If_None_Match="{etag}"), NOT_MODIFIED)
        for name, (target, _) in FILES.items()
    ),
    choice(
        "if-none-match-star-in-a-list",
        "I6",
        "the grammar has `*` alone; a list with it may match or not",
        get(TEN, If_None_Match='"a", *'),
        [NOT_MODIFIED, WHOLE],
    ),
]

MODIFIED_SINCE = [
    *(
        rfc(f"if-modified-since-{name}", "I7", "13.1.3", get(TEN, If_Modified_Since=value), NOT_MODIFIED)
        for name, value in {
            "equal": tree.LAST_MODIFIED,
            "later": tree.LATER,
            "rfc-850": tree.RFC850,
            "asctime": tree.ASCTIME,
            "far-future": NOW,
        }.items()
    ),
    *(
        rfc(f"if-modified-since-{name}", "I7", "13.1.3", get(TEN, If_Modified_Since=value), WHOLE)
        for name, value in {
            "earlier": tree.EARLIER,
            "epoch": "Thu, 01 Jan 1970 00:00:00 GMT",
            "garbage": "yesterday",
            "iso": "2023-11-14T22:13:20Z",
            "day-99": "Tue, 99 Nov 2023 22:13:20 GMT",
            "no-zone": "Tue, 14 Nov 2030 22:13:20",
            "seconds-61": "Tue, 14 Nov 2030 22:13:61 GMT",
            "epoch-seconds": "1900000000",
            "hour-24": "Thu, 14 Nov 2030 24:00:00 GMT",
            "february-30": "Sat, 30 Feb 2030 00:00:00 GMT",
        }.items()
    ),
    rfc("if-modified-since-head", "I7", "13.1.3", head(TEN, If_Modified_Since=tree.LATER), NOT_MODIFIED),
    rfc(
        "if-modified-since-with-another-tag",
        "I7 I10",
        "13.1.3",
        get(TEN, If_None_Match='"x"', If_Modified_Since=tree.LATER),
        WHOLE,
    ),
    rfc(
        "if-modified-since-with-the-tag",
        "I7 I10",
        "13.1.3",
        get(TEN, If_None_Match="{etag}", If_Modified_Since=tree.EARLIER),
        NOT_MODIFIED,
    ),
    *(
        rfc(
            f"if-modified-since-{name}", "I7", "13.1.3", get(target, If_Modified_Since=tree.LAST_MODIFIED), NOT_MODIFIED
        )
        for name, (target, _) in FILES.items()
    ),
    rfc(
        "if-modified-since-fraction",
        "I7 E4",
        "13.1.3",
        get("/download/fraction.txt", If_Modified_Since=tree.LAST_MODIFIED),
        NOT_MODIFIED,
    ),
]

MATCH = [
    *(
        rfc(f"if-match-{name}", "I8", "13.1.1", get(TEN, If_Match=value), WHOLE)
        for name, value in {
            "equal": "{etag}",
            "star": "*",
            "list": '"a", {etag}',
            "list-without-spaces": '"a",{etag}',
        }.items()
    ),
    *(
        rfc(f"if-match-{name}", "I8", "13.1.1", get(TEN, If_Match=value), FAILED)
        for name, value in {
            "another": '"another"',
            "weak": "{weak}",
            "list-of-others": '"a", "b"',
            "list-with-weak": '"a", {weak}',
            "part": '"{tag}x"',
        }.items()
    ),
    rfc(
        "if-match-two-lines",
        "I8",
        "5.3",
        Request(TEN.encode(), headers=(("If-Match", '"a"'), ("If-Match", "{etag}"))),
        WHOLE,
        on=EVERYWHERE - NGINX,
    ),
    rfc("if-match-head", "I8", "13.1.1", [head(TEN, If_Match='"x"'), get(TEN)], want(412, b""), WHOLE),
    rfc("if-match-keeps-the-connection", "I8 N2", "13.1.1", [get(TEN, If_Match='"x"'), get(TEN)], FAILED, WHOLE),
    *(
        rfc(f"if-match-another-{name}", "I8", "13.1.1", get(target, If_Match='"x"'), FAILED)
        for name, (target, _) in FILES.items()
    ),
    choice(
        "if-match-malformed",
        "I8",
        "a malformed list matches nothing, or is no condition",
        get(TEN, If_Match="!!"),
        [FAILED, WHOLE, 400],
    ),
]

UNMODIFIED_SINCE = [
    *(
        rfc(f"if-unmodified-since-{name}", "I9", "13.1.4", get(TEN, If_Unmodified_Since=value), WHOLE)
        for name, value in {
            "equal": tree.LAST_MODIFIED,
            "later": tree.LATER,
            "rfc-850": tree.RFC850,
            "asctime": tree.ASCTIME,
            "garbage": "yesterday",
            "impossible": "Tue, 99 Nov 2000 22:13:20 GMT",
        }.items()
    ),
    *(
        rfc(f"if-unmodified-since-{name}", "I9", "13.1.4", get(TEN, If_Unmodified_Since=value), FAILED)
        for name, value in {
            "earlier": tree.EARLIER,
            "epoch": "Thu, 01 Jan 1970 00:00:00 GMT",
            "rfc-850-earlier": "Tuesday, 14-Nov-23 22:13:19 GMT",
            "asctime-earlier": "Tue Nov 14 22:13:19 2023",
        }.items()
    ),
    rfc(
        "if-unmodified-since-with-if-match",
        "I9 I10",
        "13.1.4",
        get(TEN, If_Match="{etag}", If_Unmodified_Since=tree.EARLIER),
        WHOLE,
    ),
    rfc(
        "if-unmodified-since-with-if-match-star",
        "I9 I10",
        "13.1.4",
        get(TEN, If_Match="*", If_Unmodified_Since=tree.EARLIER),
        WHOLE,
    ),
    rfc(
        "if-modified-since-with-none-match-garbage",
        "I7 I10",
        "13.1.3",
        get(TEN, If_None_Match="garbage", If_Modified_Since=tree.LATER),
        WHOLE,
    ),
    rfc("if-unmodified-since-head", "I9", "13.1.4", head(TEN, If_Unmodified_Since=tree.EARLIER), want(412, b"")),
]

ORDER = [
    rfc("304-over-206", "I10", "13.2.2", get(TEN, If_None_Match="{etag}", Range="bytes=0-1"), NOT_MODIFIED),
    rfc("304-over-400", "I10", "13.2.2", get(TEN, If_None_Match="{etag}", Range="bytes=x"), NOT_MODIFIED),
    rfc(
        "304-by-date-over-416", "I10", "13.2.2", get(TEN, If_Modified_Since=tree.LATER, Range="bytes=99-"), NOT_MODIFIED
    ),
    rfc("412-over-206", "I10", "13.2.2", get(TEN, If_Match='"x"', Range="bytes=0-1"), FAILED),
    rfc("412-over-400", "I10", "13.2.2", get(TEN, If_Unmodified_Since=tree.EARLIER, Range="bytes=x"), FAILED),
    rfc(
        "412-over-304-by-date",
        "I10",
        "13.2.2",
        get(TEN, If_Unmodified_Since=tree.EARLIER, If_Modified_Since=tree.LATER),
        FAILED,
    ),
    rfc("if-match-holds-then-304", "I10", "13.2.2", get(TEN, If_Match="{etag}", If_None_Match="{etag}"), NOT_MODIFIED),
    rfc("if-match-holds-then-206", "I10", "13.2.2", get(TEN, If_Match="{etag}", Range="bytes=0-1"), TWO),
    rfc(
        "if-match-holds-then-416",
        "I10",
        "13.2.2",
        get(TEN, If_Match="{etag}", Range="bytes=99-"),
        want(416, content_range="bytes */10"),
    ),
    rfc("if-none-match-fails-then-206", "I10", "13.2.2", get(TEN, If_None_Match='"x"', Range="bytes=0-1"), TWO),
    rfc(
        "if-match-over-if-range",
        "I10",
        "13.2.2",
        get(TEN, If_Match='"x"', If_Range="{etag}", Range="bytes=0-1"),
        FAILED,
    ),
    rfc(
        "if-range-wrong-after-if-match",
        "I10",
        "13.2.2",
        get(TEN, If_Match="{etag}", If_Range='"x"', Range="bytes=0-1"),
        WHOLE,
    ),
    rfc(
        "all-hold-then-206",
        "I10",
        "13.2.2",
        get(
            TEN,
            If_Match="{etag}",
            If_Unmodified_Since=tree.LATER,
            If_None_Match='"x"',
            If_Modified_Since=tree.EARLIER,
            If_Range="{etag}",
            Range="bytes=0-1",
        ),
        TWO,
    ),
]

NOT_MODIFIED_FIELDS = [
    rfc(
        f"304-fields-{name}",
        "I11",
        "15.4.5",
        [get(target), get(target, If_None_Match="{etag}"), get(target)],
        200,
        want(304, b"", etag=re.compile('".+"'), content_range=None, content_type=None, transfer_encoding=None),
        200,
    )
    for name, (target, _) in FILES.items()
] + [
    rfc(
        "304-content-length",
        "I11",
        "8.6",
        get(TEN, If_None_Match="*"),
        [want(304, b"", content_length=None), want(304, b"", content_length="10")],
    ),
]

UNCONDITIONAL = [
    same(f"condition-on-{name}", "I12", request, status)
    for name, request, status in (
        ("404-if-match", get("/download/missing", If_Match='"x"'), 404),
        ("404-if-none-match", get("/download/missing", If_None_Match="*"), 404),
        ("404-unmodified", get("/download/missing", If_Unmodified_Since=tree.EARLIER), 404),
        ("422", get("/file/ten.txt?download=x", If_None_Match="*"), 422),
        ("405", send("POST", TEN, If_None_Match="*"), 405),
        ("405-if-match", send("DELETE", TEN, If_Match='"x"'), 405),
        ("307", get("/download/ten.txt/", If_None_Match="*"), 307),
        ("router-404", get("/nothing", If_None_Match="*"), 404),
    )
]

_ANY: tuple[Want, ...] = (Want(200), Want(304, body=b""))
STREAMED = [
    choice(
        f"streamed-{name}",
        "I13 G23",
        "without validators a 200; with them the rules above",
        get(target, If_None_Match='"x"'),
        200,
    )
    for name, target in {
        "large": "/download/large/ten.txt",
        "async": "/download/async/ten.txt",
        "data": "/export/data",
        "users": "/export/users",
        "bundle": "/download/bundle/one",
    }.items()
] + [
    choice(
        "large-if-none-match",
        "I13 G23",
        "a large file has validators as any other",
        get("/download/large/big.bin", If_None_Match="{etag}"),
        NOT_MODIFIED,
    ),
    choice(
        "large-if-range",
        "I13 G23",
        "a large file resumes",
        get("/download/large/big.bin", If_Range="{etag}", Range="bytes=199990-"),
        want(206, tree.content("large-files/big.bin")[199990:]),
    ),
    choice(
        "large-if-range-another",
        "I13 G23",
        "a changed large file starts anew",
        get("/download/large/big.bin", If_Range='"x"', Range="bytes=199990-"),
        want(200, tree.content("large-files/big.bin")),
    ),
]

CASES = [
    *DATES,
    *HONOURED,
    *IGNORED,
    *NONE_MATCH,
    *MODIFIED_SINCE,
    *MATCH,
    *UNMODIFIED_SINCE,
    *ORDER,
    *NOT_MODIFIED_FIELDS,
    *UNCONDITIONAL,
    *STREAMED,
]
