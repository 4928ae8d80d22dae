"""What `/export/users` and bundles may be asked for, validated as FastAPI does (rows C1 to C5); answers in full."""

import csv
import io
import json
from urllib.parse import quote

from tests.conformance import tree
from tests.conformance.case import Case, Gzip, Request, Zip, choice, get, head, rfc, same, slug, want
from tests.conformance.cases.endpoints import users_csv

USERS = "/export/users"
BUNDLE = "/download/bundle/docs"

REFUSED = {
    "limit": (
        "0",
        "-1",
        "abc",
        "",
        "1.5",
        "1e3",
        "0x10",
        "1 0",
        "9223372036854775808",
        "1__0",
        "_1",
        "1_",
        "+-1",
        "--1",
        "\u0661x",
        "9" * 4301,
        "true",
        "1,",
        "\u0663\u0663a",
        "1.0.0",
        "- 1",
        "99999999999999999999",
        "-9223372036854775809",
        "0.0",
        "-0",
    ),
    "since": (
        "yesterday",
        "",
        "2024-13-01",
        "2024-00-01",
        "2024-02-30",
        "2024-01-32",
        "2024-1-1",
        "0000-01-01",
        "0000-01-01T00:00:00",
        "999999999999999999",
        "-999999999999999999",
        "20240101x",
        "2024-01-01T25:00:00",
        "2024-01-01T00:60:00",
        "2024-01-01T",
        "2024-01-01x",
        "2024/01/01",
        "2024-01-01T10",
        "now",
        "x2024-01-01",
        "2024-01-0",
        "2024a01-01",
        "20a4-01-01",
        "2024-0a-01",
        "2024-01-0a",
        "2024-01a01",
    ),
    "format": ("xml", "CSV", "", "csv ", "json"),
    "delimiter": ("pipe", ",", ";", "\t", "", "Comma", "comma,tab"),
    "excel": ("maybe", "", "2"),
    "columns": ("password", "", "id,", ",id", "ID", "id, name", "id,password,x", "id;name"),
}
"""Values that are 422, by parameter: the error is pydantic's, letter by letter."""

ACCEPTED = {
    "limit": ("1", "+5", "007", " 5 ", "1_0", "5.0", "9223372036854775807", "3"),
    "since": (
        "2024-01-01",
        "2024-01-01T00:00:00",
        "2024-01-01T00:00:00Z",
        "2024-01-01 00:00",
        "2024-01-01t00:00:00.123456+01:00",
        "1704067200",
        "1704067200000",
        "2024-02-29",
        "2024-01-01T00:00:00-0530",
        "2024-01-01_00:00:00",
        "-1",
        "+1",
        "2024",
        "2024-12-31",
        "0001-01-01",
        "9999-12-31T23:59:59",
        "2024-01-01T00:00:00.1",
    ),
    "format": ("csv", "jsonl"),
    "delimiter": ("comma", "semicolon", "tab"),
    "excel": ("1", "no", "TRUE"),
    "columns": ("id", "name,id", "id,name,email,created_at"),
}


def _query(name: str, value: str) -> Request:
    return get(f"{USERS}?{name}={quote(value, safe='')}")


VALIDATED = [
    *(
        same(f"export-{name}-refused-{slug(value)}", "K6 C2", _query(name, value), 422)
        for name, values in REFUSED.items()
        for value in values
    ),
    *(
        same(f"export-{name}-accepted-{slug(value)}", "K6 C1", _query(name, value), 200, compare=(), content="free")
        for name, values in ACCEPTED.items()
        for value in values
    ),
    same(
        "export-refused-all-at-once",
        "K6 C2",
        get(f"{USERS}?limit=0&format=x&excel=y&columns=a,b&since=z&until=z&delimiter=%7C"),
        422,
    ),
    same("export-until-refused", "K6 C2", get(f"{USERS}?until=2024-13-01"), 422),
    same("export-last-limit-counts", "K6 C4", get(f"{USERS}?limit=1&limit=0"), 422),
    same(
        "export-last-limit-counts-for-good", "K6 C4", get(f"{USERS}?limit=0&limit=1"), 200, compare=(), content="free"
    ),
    same("export-unknown-parameters", "K6 A11", get(f"{USERS}?Limit=0&limits=0&x=y"), 200, compare=("content-type",)),
    same("bundle-compression-refused", "K8 C2", get(f"{BUNDLE}?compression=zstd"), 422),
    same("bundle-compression-empty", "K8 C3", get(f"{BUNDLE}?compression="), 422),
    same("bundle-recursive-refused", "K8 C2", get(f"{BUNDLE}?recursive=maybe"), 422),
    same("bundle-both-refused", "K8 C2", get(f"{BUNDLE}?recursive=maybe&compression=x"), 422),
    same("bundle-refused-before-missing", "K8 C6 B4", get("/download/bundle/missing?recursive=x"), 422),
    same(
        "bundle-download-is-unknown",
        "K8 A11 C6",
        get(f"{BUNDLE}?download=bad"),
        200,
        compare=("content-type",),
        content="zip",
    ),
]


def _csv(columns: tuple[str, ...], last: int, delimiter: str = ",", *, first: int = 1) -> bytes:
    """Users `first` to `last` as RFC 4180 has them, with these columns."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(columns)
    writer.writerows([row[tree.COLUMNS.index(column)] for column in columns] for row in tree.USERS[first - 1 : last])
    return text.getvalue().encode()


ALL = tree.COLUMNS


def _selected(id_: str, query: str, body: bytes, why: str = "what was asked for, and no more") -> Case:
    return choice(f"export-{id_}", "K6", why, get(f"{USERS}?{query}"), want(200, body))


SELECTED = [
    _selected("limited", "limit=3", _csv(ALL, 3)),
    _selected("limited-beyond", "limit=99999", users_csv()),
    _selected("one-column", "columns=email&limit=5", _csv(("email",), 5)),
    _selected("columns-in-order", "columns=name,id&limit=10", _csv(("name", "id"), 10)),
    _selected("semicolons", "delimiter=semicolon&limit=10", _csv(ALL, 10, ";")),
    _selected("tabs", "delimiter=tab&limit=10", _csv(ALL, 10, "\t")),
    *(
        _selected(
            f"between-{name}",
            f"since={quote(since)}&until={quote(until)}",
            _csv(ALL, 8, first=8),
            "from the one moment on, before the other",
        )
        for name, since, until in (
            ("naive", "2024-01-02T03:04:12", "2024-01-02T03:04:13"),
            ("with-a-space", "2024-01-02 03:04:12", "2024-01-02 03:04:13"),
            ("utc", "2024-01-02T03:04:12Z", "2024-01-02T03:04:13Z"),
            ("east", "2024-01-02T04:34:12+01:30", "2024-01-02T04:34:13+01:30"),
            ("west", "2024-01-01T22:04:12-05:00", "2024-01-01T22:04:13-0500"),
            ("seconds", "1704164652", "1704164653"),
            ("milliseconds", "1704164652000", "1704164653000"),
            ("fractions", "2024-01-02T03:04:11.001", "2024-01-02T03:04:12.999"),
            ("many-digits", "2024-01-02T03:04:11.0010000009", "2024-01-02T03:04:12,999"),
        )
    ),
    _selected("since-a-date", "since=2024-02-01&limit=3", _csv(ALL, 13, first=11), "a date begins at midnight"),
    _selected("until-a-minute", "until=2024-01-02T03:04&limit=3", _csv(ALL, 0), "no seconds are no seconds"),
    _selected("until-before-all", "until=2000-01-01", _csv(ALL, 0)),
    _selected("since-after-all", "since=2100-01-01", _csv(ALL, 0)),
    choice(
        "export-excel",
        "K6",
        "Excel needs a byte order mark, and a cell that begins as a formula is text",
        get(f"{USERS}?excel=1&limit=9"),
        want(200, "\ufeff".encode() + _csv(ALL, 9).replace(b"\r\n9,=1+1,", b"\r\n9,'=1+1,")),
    ),
    choice(
        "export-lines",
        "K6",
        "each line is a JSON object",
        get(f"{USERS}?format=jsonl&limit=2&columns=id,name"),
        want(
            200,
            b"".join(
                json.dumps({"id": i, "name": n}, separators=(",", ":")).encode() + b"\n"
                for i, n, _, _ in tree.USERS[:2]
            ),
        ),
    ),
    rfc(
        "export-gzip",
        "K6 E12",
        "12.5.3",
        get(USERS, Accept_Encoding="gzip"),
        want(200, Gzip(users_csv()), content_encoding="gzip", vary="accept-encoding"),
    ),
    rfc(
        "export-gzip-preferred",
        "K6 E12",
        "12.5.3",
        get(USERS, Accept_Encoding="br;q=1, gzip;q=0.8, identity;q=0.1"),
        want(200, Gzip(users_csv()), content_encoding="gzip"),
    ),
    rfc(
        "export-gzip-by-star",
        "K6 E12",
        "12.5.3",
        get(USERS, Accept_Encoding="*;q=0.5, identity;q=0.1"),
        [want(200, Gzip(users_csv()), content_encoding="gzip"), want(200, users_csv(), content_encoding=None)],
    ),
    *(
        rfc(
            f"export-identity-{name}",
            "K6 E12",
            "12.5.3",
            get(USERS, Accept_Encoding=value),
            want(200, users_csv(), content_encoding=None),
        )
        for name, value in {
            "refused-gzip": "gzip;q=0",
            "refused-precisely": "gzip;q=0.000",
            "others": "br, zstd",
            "identity": "identity",
            "preferred": "identity;q=1, gzip;q=0.5",
        }.items()
    ),
    rfc(
        "export-gzip-upper-case",
        "K6 E12",
        "8.4.1",
        get(USERS, Accept_Encoding="GZIP"),
        want(200, Gzip(users_csv()), content_encoding="gzip"),
    ),
    rfc("export-vary", "K6 E12", "12.5.5", get(USERS), want(200, vary="accept-encoding")),
    rfc(
        "export-gzip-head",
        "K6 B1",
        "9.3.2",
        head(USERS, Accept_Encoding="gzip"),
        want(200, b"", content_encoding="gzip"),
    ),
]

_RECURSIVE = {**tree.docs_members(), "sub/inner.txt": b"inner\n"}
BUNDLES = [
    *(
        choice(
            f"bundle-{how}",
            "K8",
            "smaller, or sooner resumed, as the client likes",
            get(f"{BUNDLE}?compression={how}"),
            want(200, Zip(tuple(tree.docs_members().items()))),
        )
        for how in ("store", "deflate", "auto")
    ),
    choice(
        "bundle-deflate-twice",
        "K8",
        "the same members the second time, from what is remembered",
        [get(f"{BUNDLE}?compression=deflate")] * 2,
        *[want(200, Zip(tuple(tree.docs_members().items())))] * 2,
    ),
    choice(
        "bundle-recursive",
        "K8",
        "with what lies in the directories below",
        get(f"{BUNDLE}?recursive=true"),
        want(200, Zip(tuple(_RECURSIVE.items()))),
    ),
    choice(
        "bundle-not-recursive",
        "K8",
        "only what lies in it",
        get(f"{BUNDLE}?recursive=0"),
        want(200, Zip(tuple(tree.docs_members().items()))),
    ),
    choice(
        "bundle-recursive-of-directories",
        "K8",
        "a directory with nothing but directories has members then",
        get("/download/bundle/only-subdir?recursive=1"),
        want(200, Zip((("sub/inner.txt", b"inner\n"),))),
    ),
]

CASES = [*VALIDATED, *SELECTED, *BUNDLES]
