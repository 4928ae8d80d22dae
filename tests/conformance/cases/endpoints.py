"""The eleven endpoints: rows K1 to K11, and how the streamed ones are framed, row J1."""

import csv
import io
import re

from tests.conformance import tree
from tests.conformance.case import UNSIZED, WIRE, Json, Named, Want, Zip, choice, get, same, slug, want

OCTETS = "application/octet-stream"


def users_csv() -> bytes:
    """What `/export/users` must send: RFC 4180, every line ended by CRLF (row K6)."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["id", "name", "email", "created_at"])
    writer.writerows(tree.USERS)
    return text.getvalue().encode()


DATA_CSV = b"id,name,value\n" + b"".join(b"%d,item-%d,%d\n" % (i, i, 100 * i) for i in range(10_000))


def _bundle(id_: str) -> Zip:
    members = tree.docs_members() if id_ == "docs" else tree.BUNDLES[id_]
    return Zip(tuple(members.items()))


_UNTIMED = ("content-type", "content-range", "content-encoding")

CASES = [
    same(
        "k1-download",
        "K1",
        get("/download/data.bin"),
        want(
            200,
            tree.content("downloads/data.bin"),
            content_type=OCTETS,
            content_disposition=Named("attachment", "data.bin"),
        ),
    ),
    same(
        "k1-download-big",
        "K1 E1",
        get("/download/big.bin"),
        want(200, tree.content("downloads/big.bin"), content_length="300000"),
    ),
    same("k1-one-byte", "K1 E1", get("/download/one.bin"), want(200, b"x", content_length="1")),
    same(
        "k2-large",
        "K2 E1",
        get("/download/large/big.bin"),
        want(
            200,
            tree.content("large-files/big.bin"),
            content_type=OCTETS,
            content_length="200000",
            transfer_encoding=None,
            content_disposition=Named("attachment", "big.bin"),
        ),
        compare=(*UNSIZED, "content-length"),
    ),
    same(
        "k2-large-empty",
        "K2",
        get("/download/large/empty.bin"),
        want(200, b"", content_length="0"),
        compare=(*UNSIZED, "content-length"),
    ),
    same(
        "k3-async",
        "K3",
        get("/download/async/data.bin"),
        want(
            200,
            tree.content("files/data.bin"),
            content_type=OCTETS,
            content_disposition=Named("attachment", "data.bin"),
        ),
        compare=UNSIZED,
    ),
    same("k3-async-empty", "K3", get("/download/async/empty.bin"), want(200, b""), compare=UNSIZED),
    same(
        "k3-async-type-is-not-guessed",
        "K3",
        get("/download/async/page.html"),
        want(200, content_type=OCTETS),
        compare=UNSIZED,
    ),
    same(
        "k4-report",
        "K4 E9 E10",
        get("/reports/42"),
        want(
            200,
            tree.content("reports/42.pdf"),
            content_type="application/pdf",
            content_disposition=Named("attachment", "report-42.pdf"),
            cache_control="private, max-age=3600",
            x_report_id="42",
        ),
    ),
    same("k4-report-with-suffix-in-id", "K4", get("/reports/42.pdf"), want(404, Json({"detail": "Report not found"}))),
    *(
        same(
            f"k5-generated-{name}",
            "K5",
            get(f"/reports/generate/{segment}"),
            want(200, content_type="application/pdf", content_disposition=Named("attachment", f"report-{id_}.pdf")),
            compare=("content-type", "content-disposition"),
            content="free",
        )
        for name, segment, id_ in (
            ("plain", "42", "42"),
            ("dots", "%2e%2e%2e", "..."),
            ("space", "q1%202024", "q1 2024"),
            ("utf-8", "caf%C3%A9", "caf\u00e9"),
            ("japanese", "%E6%97%A5%E6%9C%AC", "\u65e5\u672c"),
            ("long", "x" * 2000, "x" * 2000),
            ("markup", "%3Cb%3E%26amp;", "<b>&amp;"),
            ("backslash", "a%5Cb", "a\\b"),
        )
    ),
    choice(
        "k5-generated-dot-dot",
        "K5 D1",
        "any id will do, for it names no file",
        get("/reports/generate/%2e%2e"),
        want(200, content_type="application/pdf"),
        on=frozenset({"in-process", "in-process-zerocopy", "serve", "uvicorn", "hypercorn", "granian"}),
    ),
    choice(
        "k5-generated-pdf",
        "K5",
        "a report is a document that opens, not text under a PDF's type",
        get("/reports/generate/42"),
        want(200, re.compile(rb"%PDF-1\.[0-9].*%%EOF\s*", re.DOTALL)),
    ),
    choice(
        "k5-generated-controls",
        "K5 F4",
        "control characters are kept out of the fields",
        get("/reports/generate/a%0Ab%07c"),
        want(200, content_type="application/pdf"),
    ),
    choice(
        "k5-generated-two-are-two",
        "K5 J8",
        "each is made for its request and gone afterwards",
        [
            get("/reports/generate/1"),
            get("/reports/generate/1"),
            get("/reports/generate/1", Range="bytes=x"),
            get("/reports/generate/1"),
        ],
        200,
        200,
        [200, 400],
        200,
    ),
    same(
        "k6-users",
        "K6",
        get("/export/users"),
        want(
            200,
            users_csv(),
            content_type="text/csv; charset=utf-8",
            content_disposition=re.compile(r'attachment; filename="users-[0-9]{8}-[0-9]{6}\.csv"'),
        ),
        compare=_UNTIMED,
    ),
    same(
        "k7-data",
        "K7",
        get("/export/data"),
        want(
            200, DATA_CSV, content_type="text/csv; charset=utf-8", content_disposition=Named("attachment", "export.csv")
        ),
        compare=UNSIZED,
    ),
    *(
        same(
            f"k8-bundle-{slug(id_)}",
            "K8",
            get(f"/download/bundle/{segment}"),
            want(
                200,
                _bundle(id_),
                content_type="application/zip",
                content_disposition=Named("attachment", f"bundle-{id_}.zip"),
            ),
            compare=UNSIZED,
            content="zip",
        )
        for segment, id_ in {
            "docs": "docs",
            "one": "one",
            "dots-only": "dots-only",
            "with%20space": "with space",
            "caf%C3%A9": "caf\u00e9",
            "percent%2541": "percent%41",
            "quo%22te": 'quo"te',
        }.items()
    ),
    same("k8-bundle-missing", "K8", get("/download/bundle/missing"), want(404, Json({"detail": "Bundle not found"}))),
    same(
        "k8-bundle-is-a-file", "K8", get("/download/bundle/plain-file"), want(404, Json({"detail": "Bundle not found"}))
    ),
    same("k8-bundle-empty", "K8", get("/download/bundle/empty"), want(404, Json({"detail": "No files in bundle"}))),
    same(
        "k8-bundle-of-directories",
        "K8",
        get("/download/bundle/only-subdir"),
        want(404, Json({"detail": "No files in bundle"})),
    ),
    same(
        "k8-bundle-of-traps",
        "K8 D3 D9",
        get("/download/bundle/only-bad"),
        want(404, Json({"detail": "No files in bundle"})),
    ),
    same(
        "k9-inline",
        "K9 E2",
        get("/file/picture.png"),
        want(
            200,
            tree.content("files/picture.png"),
            content_type="image/png",
            content_disposition='inline; filename="picture.png"',
        ),
    ),
    same(
        "k9-attached",
        "K9 C1",
        get("/file/picture.png?download=true"),
        want(200, content_type="image/png", content_disposition='attachment; filename="picture.png"'),
    ),
    same(
        "k9-not-attached",
        "K9 C1",
        get("/file/picture.png?download=false"),
        want(200, content_disposition='inline; filename="picture.png"'),
    ),
    same(
        "k10-preview",
        "K10",
        get("/preview/photo.jpg"),
        want(
            200,
            tree.content("files/photo.jpg"),
            content_type="image/jpeg",
            content_disposition='inline; filename="photo.jpg"',
        ),
    ),
    same(
        "k10-preview-ignores-download",
        "K10 A11",
        get("/preview/photo.jpg?download=true"),
        want(200, content_disposition='inline; filename="photo.jpg"'),
    ),
    same("k10-preview-missing", "K10", get("/preview/missing.png"), want(404, Json({"detail": "File not found"}))),
    same(
        "k11-video",
        "K11",
        get("/video/clip.mp4"),
        want(200, tree.content("videos/clip.mp4"), content_type="video/mp4", content_disposition=None),
    ),
    choice(
        "k11-video-of-another-suffix",
        "K11",
        "always video/mp4, as in FastAPI, or the suffix's own video type",
        get("/video/clip.webm"),
        [want(200, content_type="video/mp4"), want(200, content_type="video/webm")],
    ),
    same("k11-video-without-suffix", "K11", get("/video/noext"), want(200, b"no suffix", content_type="video/mp4")),
    same("j1-chunked", "J1", get("/export/users"), Want(200, framing="chunked"), compare=_UNTIMED, on=WIRE),
    same(
        "j1-sized",
        "J1",
        get("/download/large/big.bin"),
        Want(200, framing="length"),
        compare=(*UNSIZED, "content-length"),
        on=WIRE,
    ),
    same(
        "j1-in-step-after-chunks",
        "J1 N2",
        [get("/export/data"), get("/export/users"), get("/download/ten.txt")],
        200,
        200,
        want(200, tree.TEN),
        compare=_UNTIMED,
        on=WIRE,
    ),
]
