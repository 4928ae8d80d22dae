"""THE table: every URL and who answers it."""

from dataclasses import dataclass
from pathlib import Path

from app.asgi.router import Route
from app.bodies.zip_cache import Archives
from app.endpoints import download, inline, reports, video
from app.endpoints.answers import Answers
from app.endpoints.bundle import BundleEndpoint
from app.endpoints.delivery import Delivery
from app.endpoints.export import ExportData, ExportUsers
from app.endpoints.generated_report import GeneratedReport
from app.endpoints.operations import Ready, live
from app.endpoints.stored import StoredEndpoint, Style
from app.storage.errors import MissingExtra
from app.storage.row_source import RowSource
from app.storage.temporary import TemporaryFiles
from app.storage.tree import Tree


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
