"""HEAD, other methods, error bodies, the order of decisions: rows B1 to B9."""

from tests.conformance.case import (
    ASGI_SERVERS,
    FIELDS,
    IN_PROCESS,
    UVICORN,
    Case,
    Json,
    Leads,
    Lists,
    Want,
    choice,
    get,
    head,
    rfc,
    same,
    send,
    want,
)

ROUTES = {
    "download": "/download/data.bin",
    "large": "/download/large/big.bin",
    "async": "/download/async/data.bin",
    "report": "/reports/42",
    "file": "/file/page.html",
    "file-attached": "/file/doc.pdf?download=true",
    "preview": "/preview/picture.png",
    "video": "/video/clip.mp4",
    "export-data": "/export/data",
    "bundle": "/download/bundle/docs",
}
"""A target of each route whose answer is the same each time."""

MADE = {"export-users": "/export/users", "generate": "/reports/generate/42"}
"""Routes whose answer carries the time."""

EVERY = {**ROUTES, **MADE}
BARE_HEAD = Want(200, body=b"")


def _head(name: str, target: str) -> Case:
    # RFC 9110 §9.3.2: the fields of the GET and nothing after them; the GET that follows shows the wire in step.
    return rfc(
        f"head-{name}",
        "B1",
        "9.3.2",
        [head(target), get(target), head(target)],
        Want(200, body=b"", like=1),
        200,
        Want(200, body=b"", like=1),
    )


HEADS = [
    *(_head(name, target) for name, target in ROUTES.items()),
    *(rfc(f"head-{name}", "B1", "9.3.2", [head(target), get(target)], BARE_HEAD, 200) for name, target in MADE.items()),
    rfc(
        "head-missing",
        "B1",
        "9.3.2",
        [head("/download/missing"), get("/download/missing")],
        Want(404, body=b"", like=1),
        404,
    ),
    rfc("head-invalid-parameter", "B1 C6", "9.3.2", head("/file/ten.txt?download=bad"), want(422, b"")),
    rfc("head-missing-bundle", "B1", "9.3.2", head("/download/bundle/missing"), want(404, b"")),
    rfc("head-bundle-without-files", "B1", "9.3.2", head("/download/bundle/empty"), want(404, b"")),
    same("head-unknown", "B5", head("/nothing"), want(404, b"", content_type="application/json")),
    same("head-slash", "B5", head("/download/ten.txt/"), want(307, b"", location=Leads(b"/download/ten.txt"))),
]

NOT_ALLOWED = want(405, Json({"detail": "Method Not Allowed"}), content_type="application/json", content_length="31")

OTHERS = [
    *(
        same(f"{method.lower()}-{name}", "B2", send(method, target), NOT_ALLOWED)
        for method in ("POST", "PUT", "DELETE", "PATCH")
        for name, target in EVERY.items()
    ),
    same("trace-download", "B2", send("TRACE", "/download/ten.txt"), NOT_ALLOWED, on=ASGI_SERVERS | IN_PROCESS),
    same("post-missing-file", "B2 B4", send("POST", "/download/missing"), NOT_ALLOWED),
    same("post-invalid-parameter", "B2 B4", send("POST", "/file/ten.txt?download=bad"), NOT_ALLOWED),
    same("post-outside", "B2 B4 D1", send("POST", "/download/%2e%2e"), NOT_ALLOWED),
    same("post-with-range", "B2 G22", send("POST", "/download/ten.txt", Range="bytes=0-1"), NOT_ALLOWED),
    *(
        rfc(f"allow-{name}", "B3", "15.5.6", send("POST", target), want(405, allow=Lists(("GET", "HEAD"))))
        for name, target in EVERY.items()
    ),
    choice(
        "options",
        "B9",
        "there is no CORS; 405 or a plain list of methods are both right (RFC 9110 §9.3.7)",
        send("OPTIONS", "/download/ten.txt"),
        [want(c, allow=Lists(("GET", "HEAD"))) for c in (405, 204, 200)],
    ),
    same("options-unknown", "B9", send("OPTIONS", "/nothing"), want(404, Json({"detail": "Not Found"}))),
    same("options-slash", "B9", send("OPTIONS", "/export/data/"), want(307, location=Leads(b"/export/data"))),
    choice(
        "unknown-method",
        "B6",
        "the parser below decides whether a token that it does not know is a method",
        send("FROBNICATE", "/download/ten.txt"),
        [405, 400, 501],
        on=ASGI_SERVERS | IN_PROCESS,
    ),
    choice(
        "method-in-lower-case",
        "B6",
        "methods are case-sensitive (RFC 9110 §9.1); the parser below may refuse first",
        send("get", "/download/ten.txt"),
        [405, 400, 501],
        on=UVICORN | IN_PROCESS,
    ),
]

INVALID_FLAG = "/file/missing?download=bad"
ORDER = [
    same("unknown-before-method", "B4", send("POST", "/nothing"), 404),
    same("redirect-before-method", "B4 A5", send("PUT", "/file/ten.txt/"), 307),
    same("method-before-parameters", "B4", send("PUT", INVALID_FLAG), 405),
    same("parameters-before-lookup", "B4 C6", get(INVALID_FLAG), 422),
    same("lookup-before-range", "B4 G22", get("/download/missing", Range="bytes=99-"), 404),
    same("lookup-before-malformed-range", "B4 G22", get("/download/missing", Range="nonsense"), 404),
    same("lookup-before-if-match", "B4 I12", get("/download/missing", If_Match='"x"'), 404),
    rfc("if-match-before-range", "B4 I10", "13.2.2", get("/download/ten.txt", If_Match='"x"', Range="bytes=99-"), 412),
    rfc(
        "if-none-match-before-range",
        "B4 I10",
        "13.2.2",
        get("/download/ten.txt", If_None_Match="{etag}", Range="bytes=99-"),
        304,
    ),
    rfc(
        "if-match-before-if-none-match",
        "B4 I10",
        "13.2.2",
        get("/download/ten.txt", If_Match='"x"', If_None_Match="{etag}"),
        412,
    ),
]


def _error(id_: str, target: str, status: int, detail: object) -> Case:
    return same(
        id_,
        "B8",
        [get(target), get(target)],
        *[want(status, Json({"detail": detail}), content_type="application/json", cache_control=None)] * 2,
        compare=FIELDS,
    )


ERRORS = [
    _error("error-file", "/download/missing", 404, "File not found"),
    _error("error-large", "/download/large/missing", 404, "File not found"),
    _error("error-async", "/download/async/missing", 404, "File not found"),
    _error("error-inline", "/file/missing", 404, "File not found"),
    _error("error-preview", "/preview/missing", 404, "File not found"),
    _error("error-video", "/video/missing", 404, "Video not found"),
    _error("error-report", "/reports/missing", 404, "Report not found"),
    _error("error-bundle", "/download/bundle/missing", 404, "Bundle not found"),
    _error("error-empty-bundle", "/download/bundle/empty", 404, "No files in bundle"),
    same(
        "errors-keep-the-connection",
        "B8 N2",
        [
            get("/download/missing"),
            send("POST", "/download/ten.txt"),
            get("/file/a?download=x"),
            get("/download/ten.txt"),
        ],
        404,
        405,
        422,
        want(200, b"0123456789"),
    ),
    rfc("no-5xx-for-a-hostile-name", "B7", "15.6", get("/download/" + "%F0%9F%98%80" * 300), want(404)),
]

CASES = [*HEADS, *OTHERS, *ORDER, *ERRORS]
