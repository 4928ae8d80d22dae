"""Which directories are served: the settings say, and what lies in the data directory."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from asgi_downloads.service.names import DIRECTORIES
from asgi_downloads.service.own import OwnDirectory
from asgi_downloads.service.setting import SettingsError
from asgi_downloads.service.settings import Settings
from asgi_downloads.storage.errors import StorageError
from asgi_downloads.storage.files.hidden import Hidden
from asgi_downloads.storage.files.tree import Tree
from asgi_downloads.storage.objects.url import StoreURL

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
    data = settings.data_dir
    return (
        not settings.directories and isinstance(data, Path) and not any((data / name).is_dir() for name in DIRECTORIES)
    )


def on_the_page(settings: Settings) -> dict[str, OwnDirectory]:
    """Directories by the path at which the page shows them; raises `SettingsError` where two would be one."""
    shown = {f"{own.url[1:]}/": own for own in settings.directories if own.browse and own.access == "public"}
    if not shows_data(settings):
        return shown
    for prefix in shown:
        clash = settings.data_dir / prefix.partition("/")[0]
        if isinstance(clash, Path) and os.path.lexists(clash):
            raise SettingsError(f"directories: {clash} and the directory at /{prefix} would be one on the page")
    return {"": _whole(settings), **shown}


def to_be_granted(settings: Settings) -> dict[str, OwnDirectory]:
    """Directories by the path that a link to them has: the data directory, and all of one's own."""
    return {"": _whole(settings), **{f"{own.url[1:]}/": own for own in settings.directories}}


def granted_path(settings: Settings, path: str) -> str | None:
    """The path as a link has it, a folder's with "/" at its end; None if nothing is there to be granted."""
    path = "" if path in (".", "./", "/") else path.removeprefix("./")
    bare = path.removesuffix("/")
    places = to_be_granted(settings)
    prefix = max((each for each in places if f"{bare}/".startswith(each)), key=len)
    inner, own = f"{bare}/"[len(prefix) :].removesuffix("/"), places[prefix]
    if inner and ({"", ".", ".."} & set(inner.split("/")) or Hidden(own.hide).hides_any(inner)):
        return None
    if isinstance(own.path, StoreURL):  # what is there is not asked: the store may be out of reach from here
        return path if bare else ""
    try:
        mode = Tree(own.path).directory().status_blocking(inner or ".").st_mode
    except StorageError:
        return None
    if stat.S_ISDIR(mode):
        return f"{bare}/" if bare else ""
    return bare if stat.S_ISREG(mode) and bare == path else None


def _whole(settings: Settings) -> OwnDirectory:
    return OwnDirectory(BROWSE_URL, settings.data_dir, accel_prefix=settings.accel_prefix)


def stores(settings: Settings) -> tuple[StoreURL, ...]:
    """What is served that lies in an object store."""
    roots = (settings.data_dir, *(own.path for own in settings.directories))
    return tuple(root for root in roots if isinstance(root, StoreURL))


def without_access(settings: Settings) -> tuple[Path, ...]:
    """Directories that are there only for who has a link to them."""
    return tuple(own.path for own in settings.directories if own.access == "links" and isinstance(own.path, Path))


def private_paths(settings: Settings) -> Iterator[Path]:
    """What the service itself keeps where it might be served."""
    yield from (path for path in (settings.state_dir, settings.temp_dir) if path is not None)
    if settings.database_file is not None:
        for companion in ("", "-wal", "-shm", "-journal"):
            yield settings.database_file.with_name(settings.database_file.name + companion)
