"""Which directories are served: the settings say, and what lies in the data directory."""

from collections.abc import Iterator
from pathlib import Path

from asgi_downloads.service.names import DIRECTORIES
from asgi_downloads.service.own import OwnDirectory
from asgi_downloads.service.settings import Settings

FOLDER_URL = "/files"
"""Where a data directory is served that is a plain folder."""


def own_directories(settings: Settings) -> tuple[OwnDirectory, ...]:
    """Those of the settings; a data directory that is a plain folder is one itself, below `FOLDER_URL`."""
    if is_plain_folder(settings):
        return (*settings.directories, OwnDirectory(FOLDER_URL, settings.data_dir, bundle=True))
    return settings.directories


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
