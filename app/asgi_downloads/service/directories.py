"""Which directories are served: the settings say, and what lies in the data directory."""

from collections.abc import Iterator
from pathlib import Path

from asgi_downloads.service.names import DIRECTORIES
from asgi_downloads.service.settings import Settings

BROWSE_URL = "/browse"
"""Where the page is."""


def has_page(settings: Settings) -> bool:
    """Whether there is a page, of the data directory or of another."""
    return shows_data(settings) or any(own.browse for own in settings.directories)


def shows_data(settings: Settings) -> bool:
    """Whether the page shows the data directory: it was asked for, or is a plain folder."""
    return settings.browse or is_plain_folder(settings)


def is_plain_folder(settings: Settings) -> bool:
    """Whether the data directory has none of the guide's directories, and the settings name none either."""
    return not settings.directories and not any((settings.data_dir / name).is_dir() for name in DIRECTORIES)


def private_paths(settings: Settings) -> Iterator[Path]:
    """What the service itself keeps where it might be served."""
    yield settings.state_dir
    if settings.temp_dir is not None:
        yield settings.temp_dir
    if settings.database_file is not None:
        for companion in ("", "-wal", "-shm", "-journal"):
            yield settings.database_file.with_name(settings.database_file.name + companion)
