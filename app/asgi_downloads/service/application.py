"""The composition root: settings in, one ASGI application out."""

import logging
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from asgi_downloads.asgi.cors import Cors
from asgi_downloads.asgi.exchange import CHUNK_SIZE
from asgi_downloads.asgi.extensions import READ_ANEW
from asgi_downloads.asgi.guard import Guard
from asgi_downloads.asgi.lifespan import run_lifespan
from asgi_downloads.asgi.router import Route, Router
from asgi_downloads.asgi.types import ASGIApp, Receive, Scope, Send
from asgi_downloads.bodies.zip.cache import Archives
from asgi_downloads.endpoints.health import Check, Readiness
from asgi_downloads.endpoints.links.keys import KeysError, LinkKeys
from asgi_downloads.responses.delivery import Delivery
from asgi_downloads.responses.kept import Kept
from asgi_downloads.service.routes import described, table
from asgi_downloads.service.setting import SettingsError
from asgi_downloads.service.setting_kinds import Root
from asgi_downloads.service.settings import Settings
from asgi_downloads.storage.anywhere import AnyTree
from asgi_downloads.storage.errors import MissingExtra, StorageError
from asgi_downloads.storage.files.checksums import Checksums
from asgi_downloads.storage.files.digests import Digests
from asgi_downloads.storage.files.temporary import TemporaryFiles
from asgi_downloads.storage.files.tree import Tree
from asgi_downloads.storage.jobs import Jobs
from asgi_downloads.storage.objects.bucket import Bucket
from asgi_downloads.storage.objects.store import ObjectStore
from asgi_downloads.storage.probe import Probe
from asgi_downloads.storage.rows.open import open_rows
from asgi_downloads.storage.rows.source import RowSource
from asgi_downloads.storage.threads import in_thread

logger = logging.getLogger("asgi_downloads")

PROBE_TIMEOUT = 1.0
"""Seconds that a probe waits for a disk."""


class Application:
    """The service as an ASGI 3 application: run it, or mount it in another."""

    def __init__(self, settings: Settings, routes: Iterable[Route] = ()) -> None:
        self.settings = settings
        self._made = TemporaryFiles(settings.temp_dir)
        self._checksums = Checksums(settings.state_dir)
        self._sources: dict[str, RowSource | MissingExtra] = {}
        self._stores: dict[str, ObjectStore] = {}
        delivery = Delivery(Digests(self._checksums), settings.cache_control.encode(), settings.etag == "portable")
        archives = Archives(self._checksums, may_omit=settings.unreadable == "skip")
        self._probes = Jobs("probes", 1)
        self._keys = _link_keys(settings)
        checks: dict[str, Check] = {}  # filled when the routes have said what stores there are
        ready = Readiness(checks)
        ours = table(settings, delivery, archives, self._rows, self._tree, self._made, ready, self._keys)
        self.routes = (*routes, *ours)
        if isinstance(settings.data_dir, Path):
            checks["data"] = self._check_data
        if settings.database_url:
            checks["database"] = self._check_database
        checks |= {f"s3://{bucket}": _store_check(store) for bucket, store in self._stores.items()}
        if settings.docs:
            self.routes = described(self.routes)
        self._http: ASGIApp = Kept(Guard(Router(self.routes)))
        if settings.cors_origins:
            self._http = Cors(self._http, settings.cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope[CHUNK_SIZE] = self.settings.chunk_size
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            if self._keys is not None and "state" in scope:
                scope["state"][READ_ANEW] = self._keys.read_anew
            await run_lifespan(self.resources, scope, receive, send)
        else:
            await send({"type": "websocket.close"})  # before `websocket.accept`, so the client sees a 403

    @asynccontextmanager
    async def resources(self) -> AsyncGenerator[None]:
        """What a server that runs the lifespan gives us beyond a mount: a look at the surroundings, an orderly end."""
        try:
            (await in_thread(self._made.anonymous_blocking)).close()
        except StorageError as error:
            logger.warning("no temporary file can be made, so reports and computed exports answer 503: %s", error)
        yield
        for source in self._sources.values():
            if not isinstance(source, MissingExtra):
                await source.aclose()
        await in_thread(self._checksums.close)

    def _rows(self, url: str) -> RowSource | MissingExtra:
        """The source that a database URL names, one for all who name it."""
        if url not in self._sources:
            settings = self.settings
            self._sources[url] = open_rows(url, settings.database_connections, settings.query_timeout)
        return self._sources[url]

    def _tree(self, root: Root) -> AnyTree:
        """The tree of files at a root; one store for all that is in a bucket."""
        if isinstance(root, Path):
            return Tree(root)
        if root.bucket not in self._stores:
            settings = self.settings
            store = ObjectStore(root.bucket, timeout=settings.store_timeout, requests=settings.store_requests)
            self._stores[root.bucket] = store
        return Bucket(self._stores[root.bucket], root, self.settings.store_mode)

    async def _check_data(self) -> str | None:
        directory = Path(str(self.settings.data_dir))
        try:
            there = await self._probes.run("data", lambda: lambda stop: directory.is_dir(), PROBE_TIMEOUT)
        except TimeoutError:
            return "the data directory does not answer"
        return None if there else "the data directory is not there"

    async def _check_database(self) -> str | None:
        users = self._rows(self.settings.database_url)
        if isinstance(users, MissingExtra):
            return None  # not a fault that passes; the export says what to install
        file = self.settings.database_file
        if self.settings.database_is_default and file is not None and not await in_thread(file.exists):
            return None  # files alone are served here
        try:
            await users.check()
        except StorageError:
            return "the database does not answer"
        return None


def _link_keys(settings: Settings) -> LinkKeys | None:
    """The keys of links, if there are to be any; raises `SettingsError`."""
    if settings.link_keys_file is None:
        return None
    try:
        return LinkKeys(settings.link_keys_file, settings.revoked_links_file)
    except KeysError as error:
        raise SettingsError(str(error)) from None


def _store_check(store: ObjectStore) -> Check:
    probe = Probe(store.check, PROBE_TIMEOUT)

    async def check() -> str | None:
        try:
            await probe()
        except StorageError as error:
            return str(error)
        return None

    return check


def create_app(settings: Settings | None = None, routes: Iterable[Route] = ()) -> Application:
    """The application for these settings; none of them is read from the environment (`Settings.from_environment()`).

    `routes` are a site's own, beside ours: each a `Route` with an ASGI callable. Raises `ValueError` for one that
    contradicts another, and `MissingExtra` for a directory in a store without the library for that.

        create_app(Settings(data_dir="/srv/data"), [Route("/hello/{name}", hello)])
    """
    return Application(settings or Settings(), routes)


def lifespan(application: Application) -> Callable[[object], AbstractAsyncContextManager[None]]:
    """The start and the end of an application that is mounted in a site, for the site to run with its own.

        downloads = create_app(Settings(data_dir="/srv/data"))
        site = FastAPI(lifespan=lifespan(downloads))
        site.mount("/files", downloads)

    Everything works without it; with it what is wrong is told at the start, and databases are closed in order.
    """
    return lambda site: application.resources()
