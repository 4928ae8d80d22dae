"""THE table: every URL and who answers it."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from asgi_downloads import pages
from asgi_downloads.asgi.exchange import LINKS_URL
from asgi_downloads.asgi.parameter import Parameter
from asgi_downloads.asgi.router import Route
from asgi_downloads.bodies.zip.cache import Archives
from asgi_downloads.endpoints.browse.assets import asset, leads_to
from asgi_downloads.endpoints.browse.browse import Browse
from asgi_downloads.endpoints.browse.folder import VIEW
from asgi_downloads.endpoints.browse.spot import Mounts
from asgi_downloads.endpoints.bundle import COMPRESSION, MISSING, RECURSIVE, BundleEndpoint
from asgi_downloads.endpoints.export import ExportData, ExportUsers
from asgi_downloads.endpoints.form import FORM, SPAN
from asgi_downloads.endpoints.generated_report import GeneratedReport
from asgi_downloads.endpoints.health import Readiness, live
from asgi_downloads.endpoints.links.keys import LinkKeys
from asgi_downloads.endpoints.links.links import Links
from asgi_downloads.endpoints.own_export import ExportOwn
from asgi_downloads.endpoints.prepared import BASE, Prepared
from asgi_downloads.endpoints.stored import (
    AS_DOWNLOAD,
    DOWNLOAD,
    FILE,
    PREVIEW,
    REPORT,
    VIDEO,
    FileStyle,
    StoredEndpoint,
)
from asgi_downloads.responses.delivery import Delivery
from asgi_downloads.responses.files import SUMS, FilesEndpoint
from asgi_downloads.responses.show import WAYS
from asgi_downloads.responses.zip_delivery import ZipDelivery
from asgi_downloads.service.directories import (
    BROWSE_URL,
    has_page,
    on_the_page,
    private_paths,
    to_be_granted,
    without_access,
)
from asgi_downloads.service.docs import docs_page
from asgi_downloads.service.openapi import openapi
from asgi_downloads.service.own import OwnDirectory, OwnExport
from asgi_downloads.service.setting_kinds import Root
from asgi_downloads.service.settings import Settings
from asgi_downloads.storage.anywhere import AnyTree
from asgi_downloads.storage.errors import MissingExtra
from asgi_downloads.storage.files.hidden import Hidden
from asgi_downloads.storage.files.private import Private
from asgi_downloads.storage.files.temporary import TemporaryFiles
from asgi_downloads.storage.rows.source import COLUMNS, RowSource

BYTES, PDF, ZIP = "application/octet-stream", "application/pdf", "application/zip"
JSON, ROWS = ("application/json",), ("text/csv", "application/x-ndjson")
OF_ARCHIVES = ("X-Accel-Buffering", "X-Bundle-Omitted")

ZIP_FLAG = Parameter("zip", "flag", help="The folder as one archive")
SUMS_FLAG = Parameter(SUMS, "flag", help="What `sha256sum -c` reads, in place of the content")

ASSETS = ("text/css", "text/javascript", "image/svg+xml")
ON_THE_PAGE = (
    *VIEW.values(),
    AS_DOWNLOAD,
    ZIP_FLAG,
    SUMS_FLAG,
    Parameter("view", "flag", help="A file on a page of its own"),
    Parameter("vtt", "flag", help="Subtitles as WebVTT"),
)
OF_THE_PAGE = ("text/html", "application/json", "text/plain", "text/vtt", ZIP, "*/*")

Trees = Callable[[Root], AnyTree]
"""What is at a root."""


def table(
    settings: Settings,
    delivery: Delivery,
    archives: Archives,
    rows: Callable[[str], RowSource | MissingExtra],
    trees: Trees,
    made: TemporaryFiles,
    ready: Readiness,
    links: LinkKeys | None = None,
) -> tuple[Route, ...]:
    """The routes; `rows` gives the source that a database URL names, `trees` what is at a root.

    A literal path wins over a parameter, that over a prefix, whatever the order.
    """
    kept_back = tuple(private_paths(settings))
    granted = replace(delivery, private=Private(kept_back))
    public = replace(delivery, private=Private((*kept_back, *without_access(settings))))
    if without_access(settings):
        delivery = public
    users = rows(settings.database_url) if settings.database_url else None
    guide = _guide(settings, delivery, archives, users, trees, made) if settings.guide_urls else ()
    own = [own for own in settings.directories if own.access == "public"]
    shown, pages_of = on_the_page(settings), BROWSE_URL if has_page(settings) else ""
    return (
        *guide,
        *(
            _own(each.url, _files(each, trees, public, archives, pages_of + each.url if each.browse else ""))
            for each in own
        ),
        *(_browse(_page(shown, settings, trees, public, archives)) if has_page(settings) else ()),
        *(() if links is None else (_links(links, settings, trees, granted, archives),)),
        *(
            (Route(f"{pages.ASSETS_URL}/{{name}}", asset, "assets", "What pages use", types=ASSETS, kind="content"),)
            if has_page(settings) or links
            else ()
        ),
        *(_export(each, settings, rows) for each in settings.exports),
        Route("/livez", live, "livez", "Whether the process answers", types=JSON, kind="facts", probe=True),
        Route(
            "/readyz",
            ready,
            "readyz",
            "Whether it can serve",
            answers={503: "It cannot, and why"},
            types=JSON,
            kind="facts",
            probe=True,
        ),
        Route("/healthz", live, "healthz", "Whether the process answers", types=JSON, kind="facts", probe=True),
    )


def described(routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """These routes, and two more, which describe them and themselves: to programs, and to people."""
    document, page = Prepared(b"application/json"), Prepared(b"text/html; charset=utf-8")
    both = (
        Route("/openapi.json", document, "openapi", "All of this for programs", types=JSON, kind="page"),
        Route("/docs", page, "docs", "All of this for people", types=("text/html",), kind="page"),
    )
    found = {**openapi((*routes, *both)), "servers": [{"url": BASE}]}
    document.content = json.dumps(found, separators=(",", ":")).encode()
    page.content, policy = docs_page(found)
    page.fields = (policy,)
    return (*routes, *both)


def _guide(
    settings: Settings,
    delivery: Delivery,
    archives: Archives,
    users: RowSource | MissingExtra | None,
    trees: Trees,
    made: TemporaryFiles,
) -> tuple[Route, ...]:
    source = None if isinstance(users, MissingExtra) else users
    has_own = any(export.name == "users" for export in settings.exports)

    def stored(template: str, directory: str, style: FileStyle, summary: str, type_: str = "*/*", **more: Any) -> Route:
        prefix = f"{settings.accel_prefix}{directory}/" if settings.accel_prefix else ""
        endpoint = StoredEndpoint(trees(settings.data_dir / directory), style, replace(delivery, accel_prefix=prefix))
        name = template.strip("/").rpartition("/")[0].replace("/", "-")
        answers = {404: style.missing}
        return Route(template, endpoint, name, summary, answers=answers, types=(type_,), kind="file", **more)

    bundles = BundleEndpoint(
        trees(settings.data_dir / "bundles"), ZipDelivery(archives, delivery.cache_control), delivery.private
    )
    return (
        stored("/download/{filename}", "downloads", DOWNLOAD, "A file, to be saved", BYTES),
        stored("/download/large/{filename}", "large-files", DOWNLOAD, "A large file, to be saved", BYTES),
        stored("/download/async/{filename}", "files", DOWNLOAD, "A file, to be saved", BYTES),
        Route(
            "/download/bundle/{bundle_id}",
            bundles,
            "download-bundle",
            "A directory as one ZIP archive",
            (COMPRESSION, RECURSIVE),
            {404: MISSING},
            types=(ZIP,),
            kind="content",
            fields=OF_ARCHIVES,
        ),
        stored("/file/{filename}", "files", FILE, "A file, to be shown or saved", parameters=(AS_DOWNLOAD,)),
        stored("/preview/{filename}", "files", PREVIEW, "A file, to be shown"),
        stored("/video/{filename}", "videos", VIDEO, "A video, for players that seek", "video/mp4"),
        stored("/reports/{report_id}", "reports", REPORT, "A report that is stored", PDF, fields=("X-Report-ID",)),
        Route(
            "/reports/generate/{report_id}",
            GeneratedReport(source, made),
            "reports-generate",
            "A report made for this request",
            types=(PDF,),
            kind="made",
        ),
        Route("/export/data", ExportData(made), "export-data", "Computed figures as CSV", types=ROWS[:1], kind="made"),
        *(() if users is None or has_own else (_export_users(users),)),
    )


def _export_users(users: RowSource | MissingExtra) -> Route:
    parameters = {**FORM, "columns": replace(FORM["columns"], choices=COLUMNS)}
    return Route(
        "/export/users",
        ExportUsers(users),
        "export-users",
        "The users",
        (*parameters.values(), *SPAN),
        types=ROWS,
        kind="rows",
    )


def _own(url: str, files: FilesEndpoint) -> Route:
    return Route(
        f"{url}/{{path:path}}",
        files,
        url.strip("/").replace("/", "-"),
        f"The files of {files.tree.root.name}",
        (SUMS_FLAG, *((ZIP_FLAG,) if files.archive else ())),
        {307: "The folder's page"} if files.page else {},
        types=("*/*", *((ZIP,) if files.archive else ())),
        kind="file",
        fields=OF_ARCHIVES,
    )


def _files(own: OwnDirectory, trees: Trees, delivery: Delivery, archives: Archives, page: str = "") -> FilesEndpoint:
    cache_control = own.cache_control.encode() or delivery.cache_control
    own_delivery = replace(delivery, cache_control=cache_control, accel_prefix=own.accel_prefix)
    archive = ZipDelivery(archives, cache_control) if own.bundle else None
    return FilesEndpoint(trees(own.path), WAYS[own.show], Hidden(own.hide), own_delivery, archive, own.url, page)


def _page(
    places: Mapping[str, OwnDirectory], settings: Settings, trees: Trees, delivery: Delivery, archives: Archives
) -> Browse:
    mounts = Mounts({prefix: _files(own, trees, delivery, archives) for prefix, own in places.items()})
    archive = ZipDelivery(archives, delivery.cache_control)
    return Browse(mounts, settings.browse_title, archive, delivery.cache_control)


def _browse(page: Browse) -> Iterator[Route]:
    text = "To the page"
    yield Route("/", leads_to(f"{BROWSE_URL[1:]}/"), "index", text, answers={307: text}, kind="redirect")
    yield Route(
        BROWSE_URL, leads_to(f".{BROWSE_URL}/", 308), "browse-slash", text, answers={308: text}, kind="redirect"
    )
    text = "Folders and files for people"
    yield Route(f"{BROWSE_URL}/{{path:path}}", page, "browse", text, ON_THE_PAGE, types=OF_THE_PAGE, kind="browse")


def _links(keys: LinkKeys, settings: Settings, trees: Trees, delivery: Delivery, archives: Archives) -> Route:
    page = _page(to_be_granted(settings), settings, trees, delivery, archives)
    endpoint = Links(page, keys, settings.link_grace, settings.link_forever)
    text = "What a link grants, until it ends"
    return Route(f"{LINKS_URL}/{{path:path}}", endpoint, "links", text, ON_THE_PAGE, types=OF_THE_PAGE, kind="link")


def _export(own: OwnExport, settings: Settings, rows: Callable[[str], RowSource | MissingExtra]) -> Route:
    source = rows(own.database_url or settings.database_url)
    endpoint = ExportOwn(own.name, own.sql, source, own.parameters, own.filename, own.query_timeout or None)
    parameters = (*FORM.values(), *own.parameters)
    name, summary = f"export-{own.name}", f"The rows of {own.name}"
    return Route(f"/export/{own.name}", endpoint, name, summary, parameters, types=ROWS, kind="rows")
