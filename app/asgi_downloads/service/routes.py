"""THE table: every URL and who answers it."""

from dataclasses import dataclass
from pathlib import Path

from asgi_downloads.asgi.router import Route
from asgi_downloads.bodies.zip.cache import Archives
from asgi_downloads.endpoints.bundle import BundleEndpoint
from asgi_downloads.endpoints.export import ExportData, ExportUsers
from asgi_downloads.endpoints.generated_report import GeneratedReport
from asgi_downloads.endpoints.health import Readiness, live
from asgi_downloads.endpoints.stored import DOWNLOAD, FILE, PREVIEW, REPORT, VIDEO, StoredEndpoint
from asgi_downloads.responses.delivery import Delivery
from asgi_downloads.responses.zip_delivery import ZipDelivery
from asgi_downloads.storage.errors import MissingExtra
from asgi_downloads.storage.files.temporary import TemporaryFiles
from asgi_downloads.storage.files.tree import Tree
from asgi_downloads.storage.rows.source import RowSource


@dataclass(frozen=True, slots=True)
class Trees:
    """The directories of a data directory."""

    downloads: Tree
    large_files: Tree
    files: Tree
    reports: Tree
    videos: Tree
    bundles: Tree

    @classmethod
    def of(cls, data: Path) -> "Trees":
        """Those beneath `data`, each called like its field, with dashes."""
        return cls(**{name: Tree(data / name.replace("_", "-")) for name in cls.__dataclass_fields__})


def table(
    trees: Trees,
    delivery: Delivery,
    archives: Archives,
    users: RowSource | MissingExtra,
    made: TemporaryFiles,
    ready: Readiness,
) -> tuple[Route, ...]:
    """The routes. A literal path wins over a parameter, whatever the order."""

    source = None if isinstance(users, MissingExtra) else users
    return (
        Route("/download/{filename}", StoredEndpoint(trees.downloads, DOWNLOAD, delivery)),
        Route("/download/large/{filename}", StoredEndpoint(trees.large_files, DOWNLOAD, delivery)),
        Route("/download/async/{filename}", StoredEndpoint(trees.files, DOWNLOAD, delivery)),
        Route(
            "/download/bundle/{bundle_id}", BundleEndpoint(trees.bundles, ZipDelivery(archives, delivery.cache_control))
        ),
        Route("/file/{filename}", StoredEndpoint(trees.files, FILE, delivery)),
        Route("/preview/{filename}", StoredEndpoint(trees.files, PREVIEW, delivery)),
        Route("/video/{filename}", StoredEndpoint(trees.videos, VIDEO, delivery)),
        Route("/reports/{report_id}", StoredEndpoint(trees.reports, REPORT, delivery)),
        Route("/reports/generate/{report_id}", GeneratedReport(source, made)),
        Route("/export/users", ExportUsers(users)),
        Route("/export/data", ExportData(made)),
        Route("/livez", live, probe=True),
        Route("/readyz", ready, probe=True),
        Route("/healthz", live, probe=True),
    )
