"""What is looked at before serving, so that a mistake is one line and not a traceback or a page of 404s."""

import importlib.util
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from asgi_downloads.server.errors import StartError
from asgi_downloads.service.settings import Settings

ROOTS = ("downloads", "large-files", "files", "reports", "videos", "bundles")


def check(settings: Settings, *, database_given: bool) -> Iterator[str]:
    """Warnings, one line each; raises `StartError` for what would make the service useless.

    A database that nobody asked for may be absent: the export then answers 503 and the rest works.
    """
    yield from _check_data(settings.data_dir)
    if settings.temp_dir is not None and not os.access(settings.temp_dir, os.W_OK | os.X_OK):
        raise StartError(f"temporary directory {str(settings.temp_dir)!r} is missing or cannot be written")
    if settings.database_file is None:
        if importlib.util.find_spec("asyncpg") is None:
            yield "asyncpg is not installed, so /export/users answers 501: pip install 'asgi-downloads[postgres]'"
    elif database_given or os.path.lexists(settings.database_file):
        yield from _check_sqlite(settings.database_file)
    else:
        yield f"no database at {str(settings.database_file)!r}, so /export/users answers 503"


def _check_data(directory: Path) -> Iterator[str]:
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        raise StartError(
            f"data directory {str(directory)!r} does not exist: name one that does, or try 'serve --demo',"
            f" or make a sample with 'python -m asgi_downloads demo {directory}'"
        ) from None
    except NotADirectoryError:
        raise StartError(f"data directory {str(directory)!r} is not a directory") from None
    except OSError as error:
        raise StartError(f"data directory {str(directory)!r} cannot be read: {error.strerror}") from None
    if not set(ROOTS) & set(names):
        yield f"data directory {str(directory)!r} has none of {', '.join(ROOTS)}, so there is nothing to serve"


def _check_sqlite(path: Path) -> Iterator[str]:
    try:
        # sqlite3 says "unable to open database file" to whatever is wrong; open() says what.
        with path.open("rb"):
            pass
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=1)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_schema")}
    except OSError as error:
        raise StartError(f"database {str(path)!r} cannot be read: {error.strerror}") from None
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            return  # somebody writes; that passes
        raise StartError(f"database {str(path)!r} cannot be read: {error}") from None
    if "users" not in tables:
        yield f"database {str(path)!r} has no table users, so /export/users cannot answer"
