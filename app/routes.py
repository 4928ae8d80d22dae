"""THE table: every URL and who answers it."""

from pathlib import Path

from app.asgi.router import Route
from app.endpoints import download, inline, reports, video
from app.endpoints.delivery import Delivery
from app.endpoints.operations import Ready, live
from app.endpoints.stored import StoredEndpoint
from app.storage.tree import Tree

DIRECTORIES = ("downloads", "large-files", "files", "reports", "videos", "bundles")
"""What lies in a data directory."""


def table(data: Path, delivery: Delivery, ready: Ready) -> tuple[Route, ...]:
    """The routes over the directory `data`. Literal segments win over parameters, whatever the order."""
    downloads, large, files, stored_reports, videos, _bundles = (Tree(data / name) for name in DIRECTORIES)

    return (
        Route("/download/{filename}", StoredEndpoint(downloads, download.download, download.MISSING, delivery)),
        Route("/download/large/{filename}", StoredEndpoint(large, download.download, download.MISSING, delivery)),
        Route("/download/async/{filename}", StoredEndpoint(files, download.download, download.MISSING, delivery)),
        Route("/file/{filename}", StoredEndpoint(files, inline.file, inline.MISSING, delivery)),
        Route("/preview/{filename}", StoredEndpoint(files, inline.preview, inline.MISSING, delivery)),
        Route("/video/{filename}", StoredEndpoint(videos, video.video, video.MISSING, delivery)),
        Route(
            "/reports/{report_id}",
            StoredEndpoint(stored_reports, reports.report, reports.MISSING, delivery, parameter="report_id"),
        ),
        Route("/livez", live),
        Route("/readyz", ready),
        Route("/healthz", live),
    )
