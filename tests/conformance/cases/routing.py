"""Which endpoint, and which name: rows A1 to A11."""

from tests.conformance import tree
from tests.conformance.case import EVERYWHERE, NGINX, Case, Json, Leads, Want, choice, get, rfc, same, send, want

NOT_FOUND = want(404, Json({"detail": "Not Found"}), content_type="application/json", content_length="22")
NO_FILE = want(404, Json({"detail": "File not found"}), content_type="application/json")
BEHIND_NO_PROXY = EVERYWHERE - NGINX
"""For targets that nginx refuses by itself: a NUL, a malformed escape, a path that climbs above its root."""


def _leads(path: str, query: str = "") -> Want:
    return want(307, b"", location=Leads(path.encode(), query.encode()), content_length="0")


def _named(id_: str, rows: str, target: str, name: str, on: frozenset[str] = EVERYWHERE) -> Case:
    return same(id_, rows, get(target), want(200, tree.content(f"downloads/{name}")), on=on)


DECODED = [
    _named("escape-of-a-letter", "A1", "/download/%74en.txt", "ten.txt"),
    _named("escape-of-a-dot", "A1", "/download/ten%2Etxt", "ten.txt"),
    _named("escape-in-the-literal", "A1", "/d%6Fwnload/ten.txt", "ten.txt"),
    _named("utf-8", "A1", "/download/caf%C3%A9.txt", "caf\u00e9.txt"),
    _named("hex-in-lower-case", "A1", "/download/caf%c3%a9.txt", "caf\u00e9.txt"),
    _named("four-byte-utf-8", "A1", "/download/%F0%9F%98%80.txt", "\U0001f600.txt"),
    _named("plus-is-a-plus", "A1", "/download/plus+plus.txt", "plus+plus.txt"),
    _named("escaped-plus", "A1", "/download/plus%2Bplus.txt", "plus+plus.txt"),
    _named("decoded-once", "A1", "/download/percent%2541.txt", "percent%41.txt"),
    _named("not-decoded-twice", "A1", "/download/percent%41.txt", "percentA.txt"),
    _named("space", "A1", "/download/with%20space.txt", "with space.txt"),
    _named("combining-not-normalised", "A1", "/download/e%CC%81-combining.txt", "e\u0301-combining.txt"),
    _named("lone-percent-stays", "A1", "/download/100%.txt", "100%.txt", BEHIND_NO_PROXY),
    _named("malformed-escape-stays", "A1", "/download/%zz.txt", "%zz.txt", BEHIND_NO_PROXY),
    _named("escaped-malformed-escape", "A1", "/download/%25zz.txt", "%zz.txt"),
    same("composed-is-another-name", "A1", get("/download/%C3%A9-combining.txt"), NO_FILE),
    choice(
        "latin-1-escape-names-a-file",
        "A1",
        "a name is bytes to the file system; who has such files reaches them as with nginx",
        get("/download/caf%E9.txt"),
        want(200, b"latin-1 name\n"),
    ),
    same("overlong-dot-names-nothing", "A1 D1", get("/download/%c0%ae%c0%ae"), NO_FILE),
    same("overlong-slash-names-nothing", "A1 A2", get("/download/..%c0%afsecret.txt"), NO_FILE),
    same("surrogate-names-nothing", "A1", get("/download/%ED%A0%80.txt"), NO_FILE),
]

SEGMENTS = [
    same("escaped-slash-separates", "A2", get("/download/subdir%2Finner.txt"), NOT_FOUND),
    same("escaped-slash-in-lower-case", "A2", get("/download/subdir%2finner.txt"), NOT_FOUND),
    same("escaped-slash-climbs-nowhere", "A2 D1", get("/download/..%2Fsecret.txt"), NOT_FOUND),
    same("twice-escaped-slash-is-a-name", "A2", get("/download/subdir%252Finner.txt"), NO_FILE),
    same("escaped-slash-before-literal", "A2", get("/download%2Ften.txt"), want(200, tree.TEN)),
    same(
        "parameter-with-newline",
        "A3 A8",
        get("/download/new%0Aline.txt"),
        want(200, b"new\nline.txt"),
        compare=("content-type", "content-length"),
    ),
    same("parameter-with-backslash", "A3 D10", get("/download/back%5Cslash.txt"), want(200, b"back\\slash.txt")),
    same("parameter-with-semicolon", "A3 A11", get("/download/semi;colon.txt"), want(200, b"semi;colon.txt")),
    same("dot-segment-kept", "A3", get("/download/./ten.txt"), NOT_FOUND),
    same("dot-dot-segment-kept", "A3", get("/download/../files/ten.txt"), NOT_FOUND),
    same("dot-dot-after-name", "A3", get("/download/ten.txt/.."), NOT_FOUND),
    same("dot-before-literal", "A3", get("/./download/ten.txt"), NOT_FOUND),
    same("two-segments", "A3", get("/download/subdir/inner.txt"), NOT_FOUND),
    same("four-segments", "A3", get("/download/large/subdir/inner.txt"), NOT_FOUND),
    same("literal-in-upper-case", "A4", get("/Download/ten.txt"), NOT_FOUND),
    same("name-in-other-case", "A4", get("/download/TEN.TXT"), NO_FILE),
    same("two-leading-slashes", "A4", get("//download/ten.txt"), NOT_FOUND),
    same("two-inner-slashes", "A4", get("/download//ten.txt"), NOT_FOUND),
    same("literal-without-parameter", "A4", get("/download"), NOT_FOUND),
    same("longer-literal", "A4", get("/downloads/ten.txt"), NOT_FOUND),
    same("root", "A5 A10", get("/"), NOT_FOUND),
    same("unknown", "A10", get("/nothing/here"), NOT_FOUND),
    *(
        same(f"unknown-by-{method.lower()}", "A10", send(method, "/nothing"), NOT_FOUND)
        for method in ("POST", "PUT", "DELETE", "PATCH")
    ),
    same("name-large", "A9", get("/download/large"), want(200, b"a file named large\n")),
    same("name-async", "A9", get("/download/async"), want(200, b"a file named async\n")),
    same("name-bundle", "A9", get("/download/bundle"), want(200, b"a file named bundle\n")),
    same("name-generate", "A9", get("/reports/generate"), want(200, tree.content("reports/generate.pdf"))),
    same("unknown-parameter-ignored", "A11", get("/download/ten.txt?a=b"), want(200, tree.TEN)),
    same("empty-query", "A11", get("/download/ten.txt?"), want(200, tree.TEN)),
    same("garbage-query", "A11", get("/download/ten.txt?%zz&=&&;"), want(200, tree.TEN), on=BEHIND_NO_PROXY),
    same("path-parameter-is-of-the-name", "A11", get("/download/ten.txt;v=1"), NO_FILE),
    same("escaped-question-mark-is-of-the-name", "A11", get("/download/quest%3Fion.txt"), want(200, b"quest?ion.txt")),
    same("escaped-hash-is-of-the-name", "A11", get("/download/hash%23mark.txt"), want(200, b"hash#mark.txt")),
]

REDIRECTS = [
    same("slash-after-name", "A5", get("/download/ten.txt/"), _leads("/download/ten.txt")),
    same("slash-after-an-x", "A5", get("/download/..x/"), _leads("/download/..x")),
    same("slash-after-missing", "A5", get("/download/missing/"), _leads("/download/missing")),
    same("slashes-after-name", "A5", get("/download/ten.txt///"), _leads("/download/ten.txt")),
    same("escaped-slash-after-name", "A5 A2", get("/download/ten.txt%2F"), _leads("/download/ten.txt")),
    same("slash-after-export", "A5", get("/export/users/"), _leads("/export/users")),
    same("slash-after-large", "A5 A9", get("/download/large/"), _leads("/download/large")),
    same("slash-after-generate", "A5 A9", get("/reports/generate/"), _leads("/reports/generate")),
    same("slash-after-bundle-id", "A5", get("/download/bundle/docs/"), _leads("/download/bundle/docs")),
    same(
        "slash-keeps-query", "A5", get("/file/ten.txt/?download=1&a=%20b"), _leads("/file/ten.txt", "download=1&a=%20b")
    ),
    same(
        "slash-before-validation", "A5 B4", get("/file/ten.txt/?download=bad"), _leads("/file/ten.txt", "download=bad")
    ),
    same("slash-by-post", "A5 B4", send("POST", "/download/ten.txt/"), _leads("/download/ten.txt")),
    same("slash-by-delete", "A5 B4", send("DELETE", "/export/data/"), _leads("/export/data")),
    same("slash-after-literal-alone", "A5", get("/download/"), NOT_FOUND),
    same("slash-after-export-alone", "A5", get("/export/"), NOT_FOUND),
    same("slash-after-unknown", "A5", get("/nothing/"), NOT_FOUND),
    same("slashes-alone", "A5", get("//"), NOT_FOUND),
    same("slash-after-space", "A5 A7", get("/file/with%20space.txt/"), _leads("/file/with space.txt")),
    same("slash-after-question-mark", "A5 A7", get("/file/quest%3Fion.txt/"), _leads("/file/quest?ion.txt")),
    same("slash-after-hash", "A5 A7", get("/file/hash%23mark.txt/"), _leads("/file/hash#mark.txt")),
    same("slash-after-newline", "A5 A7", get("/file/new%0Aline.txt/"), _leads("/file/new\nline.txt")),
    same("slash-after-crlf", "A5 A7", get("/file/x%0D%0AX-Evil:%201/"), _leads("/file/x\r\nX-Evil: 1")),
    same("slash-after-backslash", "A5 A7", get("/file/back%5Cslash.txt/"), _leads("/file/back\\slash.txt")),
    same("slash-after-utf-8", "A5 A7", get("/file/caf%C3%A9.txt/"), _leads("/file/caf\u00e9.txt")),
    rfc("slash-after-escaped-percent", "A7", "10.2.2", get("/file/percent%2541.txt/"), _leads("/file/percent%41.txt")),
    rfc("slash-after-lone-percent", "A7", "10.2.2", get("/file/100%25.txt/"), _leads("/file/100%.txt")),
    choice(
        "location-is-relative",
        "A6",
        "a relative reference cannot be steered by Host (RFC 9110 §10.2.2 allows it)",
        get("/download/ten.txt/", Host="evil.example"),
        want(307, location="/download/ten.txt"),
    ),
    choice(
        "location-of-two-leading-slashes",
        "A6 A4",
        "a Location that begins with two slashes would name another host (RFC 3986 §4.2)",
        get("//download/ten.txt/"),
        NOT_FOUND,
    ),
]

NEWLINES = [
    rfc(f"newline-after-{name}", "A8", "RFC 3986 §6.2", get(f"/export/{name}%0A"), NOT_FOUND)
    for name in ("users", "data")
]

CASES = [*DECODED, *SEGMENTS, *REDIRECTS, *NEWLINES]
