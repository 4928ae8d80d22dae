"""THE table: every URL and who answers it."""

from collections.abc import Callable
from dataclasses import replace

from asgi_downloads.asgi.router import Route
from asgi_downloads.bodies.zip.cache import Archives
from asgi_downloads.endpoints.bundle import BundleEndpoint
from asgi_downloads.endpoints.export import ExportData, ExportUsers
from asgi_downloads.endpoints.generated_report import GeneratedReport
from asgi_downloads.endpoints.health import Readiness, live
from asgi_downloads.endpoints.own_export import ExportOwn
from asgi_downloads.endpoints.stored import DOWNLOAD, FILE, PREVIEW, REPORT, VIDEO, FileStyle, StoredEndpoint
from asgi_downloads.responses.delivery import Delivery
from asgi_downloads.responses.files import FilesEndpoint
from asgi_downloads.responses.show import WAYS
from asgi_downloads.responses.zip_delivery import ZipDelivery
from asgi_downloads.service.directories import own_directories, private_paths
from asgi_downloads.service.own import OwnDirectory, OwnExport
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
        *(_own(each, settings, delivery, archives) for each in own_directories(settings)),
        *(_export(each, settings, rows) for each in settings.exports),
        Route("/livez", live, probe=True),
        Route("/readyz", ready, probe=True),
        Route("/healthz", live, probe=True),
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

    def stored(template: str, directory: str, style: FileStyle) -> Route:
        prefix = f"{settings.accel_prefix}{directory}/" if settings.accel_prefix else ""
        tree = Tree(settings.data_dir / directory)
        return Route(template, StoredEndpoint(tree, style, replace(delivery, accel_prefix=prefix)))

    bundles = Tree(settings.data_dir / "bundles")
    return (
        stored("/download/{filename}", "downloads", DOWNLOAD),
        stored("/download/large/{filename}", "large-files", DOWNLOAD),
        stored("/download/async/{filename}", "files", DOWNLOAD),
        Route("/download/bundle/{bundle_id}", BundleEndpoint(bundles, ZipDelivery(archives, delivery.cache_control))),
        stored("/file/{filename}", "files", FILE),
        stored("/preview/{filename}", "files", PREVIEW),
        stored("/video/{filename}", "videos", VIDEO),
        stored("/reports/{report_id}", "reports", REPORT),
        Route("/reports/generate/{report_id}", GeneratedReport(source, made)),
        Route("/export/data", ExportData(made)),
        *(() if "users" in own else (Route("/export/users", ExportUsers(users)),)),
    )


def _own(own: OwnDirectory, settings: Settings, delivery: Delivery, archives: Archives) -> Route:
    cache_control = own.cache_control.encode() or delivery.cache_control
    private = Private(private_paths(settings), own.path)
    own_delivery = replace(delivery, cache_control=cache_control, accel_prefix=own.accel_prefix, private=private)
    archive = ZipDelivery(archives, cache_control) if own.bundle else None
    endpoint = FilesEndpoint(Tree(own.path), WAYS[own.show], Hidden(own.hide), own_delivery, archive)
    return Route(f"{own.url}/{{path:path}}", endpoint)


def _export(own: OwnExport, settings: Settings, rows: Callable[[str], RowSource | MissingExtra]) -> Route:
    source = rows(own.database_url or settings.database_url)
    endpoint = ExportOwn(own.name, own.sql, source, own.parameters, own.filename, own.query_timeout or None)
    return Route(f"/export/{own.name}", endpoint)
