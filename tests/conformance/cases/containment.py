"""Which file: rows D1 to D11. Each of the five single-file trees and the bundles has the same traps (see `tree`)."""

from tests.conformance import tree
from tests.conformance.case import (
    EVERYWHERE,
    FIELDS,
    NGINX,
    UNSIZED,
    Case,
    Json,
    Named,
    Want,
    choice,
    get,
    same,
    want,
)

FROM = {
    "download": ("/download/", "File not found"),
    "large": ("/download/large/", "File not found"),
    "async": ("/download/async/", "File not found"),
    "file": ("/file/", "File not found"),
    "preview": ("/preview/", "File not found"),
    "video": ("/video/", "Video not found"),
    "reports": ("/reports/", "Report not found"),
}
STREAMED = {"large", "async"}


def _missing(detail: str) -> Want:
    return want(404, Json({"detail": detail}), content_type="application/json", etag=None, content_disposition=None)


def _refused(detail: str) -> list[Want]:
    return [want(400, Json({"detail": "Invalid file path"}), content_type="application/json"), _missing(detail)]


def _of_route(name: str, prefix: str, detail: str) -> list[Case]:
    inside = {"reports": tree.content("reports/42.pdf"), "video": tree.TEN}.get(name, tree.TEN)
    compare = UNSIZED if name in STREAMED else FIELDS
    missing = {
        "directory": ("D2", "dir" if name == "reports" else "subdir"),
        "link-to-directory": ("D2", "to-directory"),
        "dangling-link": ("D8", "to-nowhere"),
        "fifo": ("D9", "fifo"),
        "socket": ("D9", "socket"),
        "backslashes": ("D10", "..%5C..%5Csecret.txt"),
        "drive": ("D10", "C:%5Csecret.txt"),
        "name-of-256-bytes": ("D6", "n" * 256),
        "name-of-4000-bytes": ("D6", "n" * 4000),
        "name-of-256-bytes-in-few-letters": ("D6", "%F0%9F%98%80" * 64),
        "three-dots-and-more": ("D1", "....%5C"),
    }
    refused = {
        "link-outside": ("D3", "to-outside"),
        "link-to-another-root": ("D3", "to-other-root"),
        "absolute-link-outside": ("D3", "to-absolute"),
        "dangling-link-outside": ("D3 D8", "to-nowhere-outside"),
        "link-to-directory-outside": ("D3", "to-directory-outside"),
        "link-to-device": ("D3 D9", "to-zero"),
        "link-to-proc": ("D3", "to-proc"),
    }
    if name != "reports":
        missing["dot"] = ("D2", "%2e")
    why = "the guide's check gives 400, the route's own 404 tells less; both refuse"
    cases = [
        *(
            same(f"{name}-{id_}", rows, get(prefix + segment), _missing(detail))
            for id_, (rows, segment) in missing.items()
        ),
        *(
            choice(f"{name}-{id_}", rows, why, get(prefix + segment), _refused(detail))
            for id_, (rows, segment) in refused.items()
        ),
        choice(f"{name}-link-loop", "D7", "400 and 404 are both right", get(prefix + "loop"), _refused(detail)),
        choice(
            f"{name}-nul",
            "D5",
            "FastAPI's plain way is a 500; 400 and 404 are both right",
            get(prefix + "ten.txt%00.png"),
            _refused(detail),
            on=EVERYWHERE - NGINX,
        ),
        same(f"{name}-link-inside", "D4", get(prefix + "to-file"), want(200, inside), compare=compare),
        choice(
            f"{name}-absolute-link-inside",
            "D4",
            "a link's text is not trusted beyond what the kernel resolves beneath the root",
            get(prefix + "to-absolute-inside"),
            [want(200, inside), *_refused(detail)],
        ),
        choice(
            f"{name}-link-that-leaves-and-returns",
            "D4",
            "RESOLVE_BENEATH refuses a link that leaves, wherever it ends",
            get(prefix + "to-and-back"),
            [want(200, inside), *_refused(detail)],
        ),
    ]
    if name == "reports":
        cases.append(same("reports-dot-dot", "D1", get("/reports/%2e%2e"), _missing(detail)))
        cases.append(same("reports-dot", "D1 D2", get("/reports/%2e"), _missing(detail)))
    else:
        cases.append(
            choice(f"{name}-dot-dot", "D1", why, get(prefix + "%2e%2e"), _refused(detail), on=EVERYWHERE - NGINX)
        )
        cases.append(
            choice(f"{name}-dot-dot-plain", "D1", why, get(prefix + ".."), _refused(detail), on=EVERYWHERE - NGINX)
        )
    return cases


BUNDLE = "Bundle not found"
BUNDLES = [
    choice(
        "bundle-dot-dot",
        "D1 K8",
        "refused either way",
        get("/download/bundle/%2e%2e"),
        _refused(BUNDLE),
        on=EVERYWHERE - NGINX,
    ),
    same("bundle-dot", "D2 K8", get("/download/bundle/%2e"), _missing(BUNDLE), on=EVERYWHERE - NGINX),
    choice(
        "bundle-nul",
        "D5",
        "400 and 404 are both right",
        get("/download/bundle/a%00"),
        _refused(BUNDLE),
        on=EVERYWHERE - NGINX,
    ),
    same("bundle-name-too-long", "D6", get("/download/bundle/" + "n" * 300), _missing(BUNDLE)),
    same("bundle-backslash", "D10", get("/download/bundle/..%5Cdownloads"), _missing(BUNDLE)),
    choice("bundle-link-outside", "D3", "refused either way", get("/download/bundle/to-downloads"), _refused(BUNDLE)),
    same("bundle-dangling-link", "D8", get("/download/bundle/to-nowhere"), _missing(BUNDLE)),
]

LINKS = [
    choice(
        "link-to-sibling-with-the-roots-name",
        "D3",
        "a path that merely begins with the root's is outside",
        get("/download/to-sibling"),
        _refused("File not found"),
    ),
    same("link-to-a-link", "D4", get("/download/to-chain"), want(200, tree.TEN)),
    same("link-to-a-file-below", "D4", get("/download/to-subdir-file"), want(200, b"inner\n")),
    same(
        "link-keeps-the-asked-name",
        "D4",
        get("/download/page.html"),
        want(200, tree.TEN, content_disposition=Named("attachment", "page.html"), last_modified=tree.LAST_MODIFIED),
    ),
    same("link-gives-the-type", "D4 E2", get("/file/link.png"), want(200, content_type="image/png")),
    same(
        "url-of-30-kilobytes", "D6", get("/download/" + "n" * 30_000), _missing("File not found"), on=EVERYWHERE - NGINX
    ),
]

CASES = [
    *(case for name, (prefix, detail) in FROM.items() for case in _of_route(name, prefix, detail)),
    *BUNDLES,
    *LINKS,
]
