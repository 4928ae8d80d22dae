"""What is looked at before serving, so that a mistake is one line and not a traceback or a page of 404s.

What leaves nothing to serve ends the start. What takes a part away is a warning: it may come back meanwhile.
"""

import asyncio
import importlib.util
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from asgi_downloads.endpoints.links.keys import LinkKeys
from asgi_downloads.endpoints.own_export import ExportOwn
from asgi_downloads.server.errors import StartError
from asgi_downloads.service.directories import on_the_page, stores
from asgi_downloads.service.own import OwnExport
from asgi_downloads.service.settings import Settings
from asgi_downloads.storage.errors import MissingExtra, StorageError, Unusable
from asgi_downloads.storage.objects.url import StoreURL
from asgi_downloads.storage.rows.open import open_rows


def check(settings: Settings) -> Iterator[str]:
    """Warnings, one line each; raises `StartError` for a data directory that cannot be served,
    `SettingsError` for two that would be one, `KeysError` for files of keys that cannot be used.
    """
    _check_data(settings)
    on_the_page(settings)
    if settings.link_keys_file is not None:
        LinkKeys(settings.link_keys_file, settings.revoked_links_file)
    for number, own in enumerate(settings.directories):
        if isinstance(own.path, Path) and not own.path.is_dir():
            yield f"directories[{number}]: {str(own.path)!r} is not there, so {own.url}/ answers 404"
    yield from _check_temporary(settings.temp_dir)
    if settings.database_file is not None:
        yield from _check_sqlite(settings.database_file)
    elif settings.database_url and importlib.util.find_spec("asyncpg") is None:
        yield "asyncpg is not installed, so /export/users answers 501: pip install 'asgi-downloads[postgres]'"
    for export in settings.exports:
        yield from _check_export(export, export.database_url or settings.database_url)


def _check_export(export: OwnExport, url: str) -> Iterator[str]:
    source = open_rows(url)
    if isinstance(source, MissingExtra):
        yield f"exports.{export.name}: answers 501, for asgi-downloads[{source.extra}] is not installed"
        return
    try:
        asyncio.run(ExportOwn(export.name, export.sql, source, export.parameters).describe())
    except Unusable as error:
        yield f"exports.{export.name}: answers 500, for its query cannot be run: {error}"
    except StorageError as error:
        yield f"exports.{export.name}: its query could not be tried: {error}"


def _check_data(settings: Settings) -> None:
    directory = settings.data_dir
    # More is not asked here: workers are forked from this process, and whoever has used a store must not fork.
    if stores(settings) and importlib.util.find_spec("obstore") is None:
        raise StartError("obstore is not installed, which s3:// needs: pip install 'asgi-downloads[s3]'")
    if isinstance(directory, StoreURL):
        return
    try:
        os.listdir(directory)
    except FileNotFoundError:
        if settings.directories:
            return  # they are what is served
        raise StartError(
            f"data directory {str(directory)!r} does not exist: name one that does, or try 'serve --demo',"
            f" or make a sample with 'asgi-downloads demo {directory}'"
        ) from None
    except OSError as error:
        raise StartError(f"data directory {str(directory)!r} cannot be read: {error.strerror}") from None


def _check_temporary(directory: Path | None) -> Iterator[str]:
    try:
        place = directory or tempfile.gettempdir()
    except FileNotFoundError:  # none of the usual places can be written
        place = None
    if place is None or not os.access(place, os.W_OK | os.X_OK):
        shown = "there is no directory for temporary files" if place is None else f"{str(place)!r} cannot be written"
        yield f"{shown}, so /reports/generate and /export/data answer 503: choose another with --temp-dir"


def _check_sqlite(path: Path) -> Iterator[str]:
    try:
        # sqlite3 says "unable to open database file" to whatever is wrong; open() says what.
        with path.open("rb"):
            pass
        with closing(sqlite3.connect(f"file:{quote(os.fsencode(path))}?mode=ro", uri=True, timeout=1)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_schema")}
    except (OSError, sqlite3.Error) as error:
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY:  # somebody writes; that passes
            reason = getattr(error, "strerror", None) or error
            yield f"database {str(path)!r} cannot be read, so /export/users answers 503: {reason}"
    else:
        if "users" not in tables:
            yield f"database {str(path)!r} has no table users, so /export/users cannot answer"
