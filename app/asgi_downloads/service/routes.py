"""THE table: every URL and who answers it."""

from dataclasses import dataclass
from pathlib import Path

from asgi_downloads.asgi.router import Route
from asgi_downloads.bodies.zip.cache import Archives
from asgi_downloads.endpoints import download, inline, reports, video
from asgi_downloads.endpoints.bundle import BundleEndpoint
from asgi_downloads.endpoints.export import ExportData, ExportUsers
from asgi_downloads.endpoints.generated_report import GeneratedReport
from asgi_downloads.endpoints.health import Ready, live
from asgi_downloads.endpoints.stored import StoredEndpoint, Style
from asgi_downloads.responses.file import Delivery
from asgi_downloads.responses.kept import Answers
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
    answers: Answers,
    archives: Archives,
    users: RowSource | MissingExtra,
    made: TemporaryFiles,
    ready: Ready,
) -> tuple[Route, ...]:
    """The routes. A literal path wins over a parameter, whatever the order."""

    def stored(tree: Tree, style: Style, missing: str) -> StoredEndpoint:
        return StoredEndpoint(tree, style, missing, delivery, answers)

    source = None if isinstance(users, MissingExtra) else users
    return (
        Route("/download/{filename}", stored(trees.downloads, download.download, download.MISSING)),
        Route("/download/large/{filename}", stored(trees.large_files, download.download, download.MISSING)),
        Route("/download/async/{filename}", stored(trees.files, download.download, download.MISSING)),
        Route("/download/bundle/{bundle_id}", BundleEndpoint(trees.bundles, archives, delivery.block)),
        Route("/file/{filename}", stored(trees.files, inline.file, inline.MISSING)),
        Route("/preview/{filename}", stored(trees.files, inline.preview, inline.MISSING)),
        Route("/video/{filename}", stored(trees.videos, video.video, video.MISSING)),
        Route("/reports/{report_id}", stored(trees.reports, reports.report, reports.MISSING)),
        Route("/reports/generate/{report_id}", GeneratedReport(source, made)),
        Route("/export/users", ExportUsers(users)),
        Route("/export/data", ExportData(made)),
        Route("/livez", live),
        Route("/readyz", ready),
        Route("/healthz", live),
    )
