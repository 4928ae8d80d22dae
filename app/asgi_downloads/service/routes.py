"""THE table: every URL and who answers it."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace

from asgi_downloads import pages
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
from asgi_downloads.endpoints.own_export import ExportOwn
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
from asgi_downloads.responses.files import FilesEndpoint
from asgi_downloads.responses.show import WAYS
from asgi_downloads.responses.zip_delivery import ZipDelivery
from asgi_downloads.service.directories import BROWSE_URL, has_page, private_paths, shows_data
from asgi_downloads.service.own import OwnDirectory, OwnExport
from asgi_downloads.service.setting import SettingsError
from asgi_downloads.service.settings import Settings
from asgi_downloads.storage.errors import MissingExtra
from asgi_downloads.storage.files.hidden import Hidden
from asgi_downloads.storage.files.private import Private
from asgi_downloads.storage.files.temporary import TemporaryFiles
from asgi_downloads.storage.files.tree import Tree
from asgi_downloads.storage.rows.source import RowSource


def table(
    settings: Settings,
    delivery: Delivery,
    archives: Archives,
    rows: Callable[[str], RowSource | MissingExtra],
    made: TemporaryFiles,
    ready: Readiness,
) -> tuple[Route, ...]:
    """The routes; `rows` gives the source that a database URL names.

    A literal path wins over a parameter, that over a prefix, whatever the order.
    """
    guide = _guide(settings, delivery, archives, rows(settings.database_url), made) if settings.guide_urls else ()
    return (
        *guide,
        *(_own(each, settings, delivery, archives) for each in settings.directories),
        *(_browse(settings, delivery, archives) if has_page(settings) else ()),
        *(_export(each, settings, rows) for each in settings.exports),
        Route("/livez", live, "livez", "Whether the process answers", probe=True),
        Route("/readyz", ready, "readyz", "Whether it can serve", answers={503: "Not now"}, probe=True),
        Route("/healthz", live, "healthz", "As /livez", probe=True),
    )


def _guide(
    settings: Settings,
    delivery: Delivery,
    archives: Archives,
    users: RowSource | MissingExtra,
    made: TemporaryFiles,
) -> tuple[Route, ...]:
    source = None if isinstance(users, MissingExtra) else users
    own = {export.name for export in settings.exports}

    def stored(template: str, directory: str, style: FileStyle, summary: str, *parameters: Parameter) -> Route:
        prefix = f"{settings.accel_prefix}{directory}/" if settings.accel_prefix else ""
        endpoint = StoredEndpoint(Tree(settings.data_dir / directory), style, replace(delivery, accel_prefix=prefix))
        name = template.strip("/").rpartition("/")[0].replace("/", "-")
        return Route(template, endpoint, name, summary, parameters, {404: style.missing})

    bundles = BundleEndpoint(Tree(settings.data_dir / "bundles"), ZipDelivery(archives, delivery.cache_control))
    return (
        stored("/download/{filename}", "downloads", DOWNLOAD, "A file, to be saved"),
        stored("/download/large/{filename}", "large-files", DOWNLOAD, "A large file, to be saved"),
        stored("/download/async/{filename}", "files", DOWNLOAD, "A file, to be saved"),
        Route(
            "/download/bundle/{bundle_id}",
            bundles,
            "download-bundle",
            "A directory as one ZIP archive",
            (COMPRESSION, RECURSIVE),
            {404: MISSING},
        ),
        stored("/file/{filename}", "files", FILE, "A file, to be shown or saved", AS_DOWNLOAD),
        stored("/preview/{filename}", "files", PREVIEW, "A file, to be shown"),
        stored("/video/{filename}", "videos", VIDEO, "A video, for players that seek"),
        stored("/reports/{report_id}", "reports", REPORT, "A report that is stored"),
        Route(
            "/reports/generate/{report_id}",
            GeneratedReport(source, made),
            "reports-generate",
            "A report made for this request",
        ),
        Route("/export/data", ExportData(made), "export-data", "Computed figures as CSV"),
        *(
            ()
            if "users" in own
            else (Route("/export/users", ExportUsers(users), "export-users", "The users", (*FORM.values(), *SPAN)),)
        ),
    )


def _own(own: OwnDirectory, settings: Settings, delivery: Delivery, archives: Archives) -> Route:
    page = BROWSE_URL + own.url if own.browse else ""
    endpoint = _files(own, settings, delivery, archives, page)
    summary = f"The files of {own.path.name}"
    return Route(f"{own.url}/{{path:path}}", endpoint, own.url.strip("/").replace("/", "-"), summary)


def _files(
    own: OwnDirectory, settings: Settings, delivery: Delivery, archives: Archives, page: str = ""
) -> FilesEndpoint:
    cache_control = own.cache_control.encode() or delivery.cache_control
    private = Private(private_paths(settings))
    own_delivery = replace(delivery, cache_control=cache_control, accel_prefix=own.accel_prefix, private=private)
    archive = ZipDelivery(archives, cache_control) if own.bundle else None
    return FilesEndpoint(Tree(own.path), WAYS[own.show], Hidden(own.hide), own_delivery, archive, own.url, page)


def _browse(settings: Settings, delivery: Delivery, archives: Archives) -> Iterator[Route]:
    """The page: the data directory, and in it each directory of one's own that is to be seen there."""
    shown = {f"{own.url[1:]}/": own for own in settings.directories if own.browse}
    if shows_data(settings):
        for prefix in shown:
            clash = settings.data_dir / prefix.partition("/")[0]
            if os.path.lexists(clash):
                raise SettingsError(f"directories: {clash} and the directory at /{prefix} would be one on the page")
        shown[""] = OwnDirectory(BROWSE_URL, settings.data_dir, accel_prefix=settings.accel_prefix)
    mounts = Mounts({prefix: _files(own, settings, delivery, archives) for prefix, own in shown.items()})
    archive = ZipDelivery(archives, delivery.cache_control)
    endpoint = Browse(mounts, settings.browse_title, archive, delivery.cache_control)
    yield Route("/", leads_to(f"{BROWSE_URL[1:]}/"), "index", "To the page")
    yield Route(BROWSE_URL, leads_to(f".{BROWSE_URL}/", 308), "browse-slash", "To the page")
    yield Route(f"{BROWSE_URL}/{{path:path}}", endpoint, "browse", "Folders and files for people", tuple(VIEW.values()))
    yield Route(f"{pages.ASSETS_URL}/{{name}}", asset, "assets", "What pages use")


def _export(own: OwnExport, settings: Settings, rows: Callable[[str], RowSource | MissingExtra]) -> Route:
    source = rows(own.database_url or settings.database_url)
    endpoint = ExportOwn(own.name, own.sql, source, own.parameters, own.filename, own.query_timeout or None)
    parameters = (*FORM.values(), *own.parameters)
    return Route(f"/export/{own.name}", endpoint, f"export-{own.name}", f"The rows of {own.name}", parameters)
