"""Objects below a prefix of a bucket, found by path as files are beneath a directory."""

import re
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import NamedTuple, Self

from asgi_downloads.storage.errors import FileChanged, NotFound, OutsideRoot, Unavailable
from asgi_downloads.storage.files.entries import UNKNOWN_NS
from asgi_downloads.storage.files.state import FileState
from asgi_downloads.storage.objects.listing import state_of
from asgi_downloads.storage.objects.store import Meta, ObjectStore, Part, RangeRefused, Stream
from asgi_downloads.storage.objects.url import StoreURL

_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
"""What obstore refuses in a key, and what is not UTF-8."""

_LONGEST = 1024
"""Bytes of a key, as S3 has them."""


class Wanted(NamedTuple):
    """Content that will most likely be asked for: a part, and of which version."""

    part: Part = None
    etag: bytes | None = None


class StoredObject:
    """One version of an object, and its content as a `Body`: each range is one request, pinned to that version.

    `stream` is content that was asked for with the facts; the first range is taken from it if it is just that.
    """

    __slots__ = ("_store", "_stream", "key", "meta")

    def __init__(self, store: ObjectStore, key: str, meta: Meta, stream: Stream | None = None) -> None:
        self._store = store
        self._stream = stream
        self.key = key
        self.meta = meta

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.meta.size

    @property
    def modified(self) -> int:
        """The time of its last change, in seconds since the epoch."""
        return self.meta.modified

    def at_hand(self, start: int, stop: int) -> bytes | None:
        return None

    async def pieces(self, start: int, stop: int) -> AsyncGenerator[bytes]:
        """Bytes `[start, stop)`. Raises `FileChanged` when there is another version meanwhile, and `Unavailable`."""
        stream, self._stream = self._stream, None
        if stream is None or (stream.start, stream.stop) != (start, stop):
            try:
                stream = await self._store.open(self.key, (start, stop), self.meta.etag)
            except NotFound as error:
                raise FileChanged from error
        if stream.meta != self.meta:  # a store that does not know If-Match
            raise FileChanged
        if (stream.start, stream.stop) != (start, stop):
            raise Unavailable("the store gave another range than it was asked for")
        async with aclosing(stream.chunks()) as chunks:
            async for chunk in chunks:
                yield chunk

    def url(self, method: str, query: Mapping[str, str], expires: int) -> str:
        """A URL for whoever has it, for so many seconds; raises `Unavailable` without an account."""
        return self._store.sign(method, self.key, query, expires)

    async def read(self) -> bytes:
        """All of it; raises as `pieces`."""
        async with aclosing(self.pieces(0, self.size)) as pieces:
            return b"".join([piece async for piece in pieces])

    # -- what those use of an open file who read it in a thread

    @property
    def state(self) -> FileState:
        """Differs between versions of it."""
        return state_of(self._store.bucket, self.key, self.meta)

    def walk_blocking(self, start: int, stop: int) -> Generator[bytes]:
        """Bytes `[start, stop)` in blocks; raises as `pieces`."""
        left = stop - start
        try:
            for block in self._store.open_blocking(self.key, (start, stop), self.meta.etag) if left else ():
                left -= len(block)
                yield block
        except NotFound as error:
            raise FileChanged from error
        if left:
            raise Unavailable("the store gave not as many bytes as it had announced")

    def read_blocking(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes; raises as `pieces`."""
        return b"".join(self.walk_blocking(offset, offset + count))

    def note(self) -> Self:
        return self

    def hold(self) -> "StoredObject":
        """This version of the object once more, with no content asked for: for an owner that outlives this one."""
        return StoredObject(self._store, self.key, self.meta)

    def check(self) -> None:
        """Raise nothing: the store has checked the version with each request."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of content that was not used."""
        if self._stream is not None:
            self._stream.close()


class Bucket:
    """The tree of objects below a prefix; `mode` says who sends them, we ("stream") or others."""

    def __init__(self, store: ObjectStore, root: StoreURL, mode: str = "stream") -> None:
        self.store = store
        self.root = root
        self.mode = mode

    @asynccontextmanager
    async def open(self, name: str, wanted: Wanted | None = None) -> AsyncGenerator[StoredObject]:
        """The object of that path. What is `wanted` of its content is asked for with the facts, in one request.

        Raises `NotFound`, `OutsideRoot`, `Busy` and `Unavailable`.
        """
        opened = await self._open(self.key(name), wanted if self.mode == "stream" else None)
        try:
            yield opened
        finally:
            opened.close()

    def key(self, name: str) -> str:
        """The key of a path. Raises `OutsideRoot` for a name that leads out, `NotFound` for one that no object has."""
        if ".." in name.split("/") or "\0" in name:
            raise OutsideRoot
        key = self.root.prefix + name
        if not is_path(name) or len(key.encode()) > _LONGEST:
            raise NotFound
        return key

    @asynccontextmanager
    async def subtree(self, name: str) -> AsyncGenerator["Bucket"]:
        """The tree below a path; raises as `key`, and nothing where nothing is there."""
        self.key(name)
        yield self.below(name)

    def below(self, name: str) -> "Bucket":
        """The tree below a path, with "/" at its end or not."""
        return Bucket(self.store, self.root / name.removesuffix("/"), self.mode)

    def read_blocking(self, name: str, most: int) -> bytes | None:
        """The beginning of an object; None if it is empty. Raises `NotFound` and `Unavailable`."""
        try:
            return b"".join(self.store.open_blocking(self.key(name), (0, most), None))
        except RangeRefused:
            return None

    def modified_ns(self) -> int:
        """No time that anybody knows."""
        return UNKNOWN_NS

    def directory(self) -> "Bucket":
        """Itself, which is to a tree as its open directory."""
        return self

    def duplicate(self) -> "Bucket":
        """Itself: there is nothing to be closed."""
        return self

    def where(self) -> str:
        """Its URL, for a log."""
        return str(self.root)

    def close(self) -> None:
        """Nothing is open between two requests."""

    async def _open(self, key: str, wanted: Wanted | None) -> StoredObject:
        if wanted is None:
            return StoredObject(self.store, key, await self.store.head(key))
        try:
            stream = await self.store.open(key, wanted.part, wanted.etag)
        except RangeRefused:
            return StoredObject(self.store, key, await self.store.head(key))
        except FileChanged:  # then all of what there is now is wanted
            stream = await self.store.open(key)
        return StoredObject(self.store, key, stream.meta, stream)


def is_path(name: str) -> bool:
    """Whether a name is one that a URL can have, and obstore can address."""
    segments = name.split("/")
    return not ({"", ".", ".."} & set(segments) or _CONTROL.search(name))
