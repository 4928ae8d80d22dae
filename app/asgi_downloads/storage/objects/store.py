"""The one way to a bucket: obstore behind four calls, with bounds and errors of our own.

A process that has used obstore must not fork, as its threads are not in the child, and must let them come to rest
before the interpreter ends, or that aborts. So nothing touches it before the first request, and then an `atexit` waits.
"""

import asyncio
import atexit
import importlib.util
import logging
import os
import re
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from asgi_downloads.storage.errors import (
    FileChanged,
    Forbidden,
    MissingExtra,
    NotFound,
    StorageError,
    Unavailable,
)
from asgi_downloads.storage.objects.sigv4 import Signer
from asgi_downloads.storage.seats import Seats

if TYPE_CHECKING:
    from obstore.store import S3Store

Part = tuple[int, int] | dict[str, int] | None
"""Bytes `[start, stop)`, or `{"offset": n}`, or `{"suffix": n}`; None is all."""

_CHUNK = 256 << 10
_RETRIES = 2
_PATIENCE = 1.0
_REST = 0.1
"""Seconds in which the threads of obstore come to rest; half of it was enough in each of 100 runs."""

_ABSENT = "\N{HORIZONTAL ELLIPSIS}"

logger = logging.getLogger("asgi_downloads")


@dataclass(frozen=True, slots=True)
class Meta:
    """Facts of one version of an object: bytes, seconds since the epoch, the store's entity tag with its quotes."""

    size: int
    modified: int
    etag: bytes
    encoding: str = field(default="", compare=False)
    """The Content-Encoding that it was written with, which a listing does not tell."""


class RangeRefused(Unavailable):
    """The store did not give the range that it was asked for; perhaps the object has none of that."""


class Stream:
    """Bytes `[start, stop)` of one version of an object, on their way; to be read once."""

    __slots__ = ("_result", "meta", "start", "stop")

    def __init__(self, result: Any) -> None:
        self._result = result
        self.meta = _meta(result)
        self.start, self.stop = result.range

    async def chunks(self) -> AsyncGenerator[bytes]:
        """All of them, in order. Raises `Unavailable` when the store fails to give them, also after another try."""
        left = self.stop - self.start
        result, self._result = self._result, None
        with _translated():
            async for chunk in result.stream(min_chunk_size=_CHUNK):
                left -= len(chunk)
                if left < 0:
                    break
                yield bytes(chunk)
        if left:
            raise Unavailable("the store gave not as many bytes as it had announced")

    def close(self) -> None:
        """Let go of the connection."""
        self._result = None


class ObjectStore:
    """A bucket, asked for `requests` answers at a time, each of which is to begin within `timeout` seconds.

    The store's address and the account come from AWS's own variables.

    Raises `MissingExtra`. What asks the store raises `NotFound` (also `Forbidden`), `Busy`, and `Unavailable`, the text
    of which has the store's code and nothing secret.
    """

    def __init__(
        self,
        bucket: str,
        *,
        timeout: float = 5.0,
        requests: int = 64,
    ) -> None:
        if importlib.util.find_spec("obstore") is None:
            raise MissingExtra("s3")
        self.bucket = bucket
        self.timeout = timeout
        self.signer = Signer.of(os.environ)
        self._seats, self._pinned = Seats(requests, _PATIENCE), asyncio.Semaphore(requests)

    async def head(self, key: str) -> Meta:
        """What there is under that key."""
        import obstore

        async with self._asking():
            try:
                return _meta(await obstore.get_async(self._store, key, options={"head": True}))
            except Exception as error:
                if _status(error) not in (400, 401, 403, 404):
                    raise
        stream = await self.open(key, (0, 1))  # the answer to HEAD has no content, in which the code would be
        stream.close()
        return stream.meta

    async def open(self, key: str, part: Part = None, etag: bytes | None = None) -> Stream:
        """Content of an object, of the version of that entity tag if given; raises `FileChanged` and `RangeRefused`."""
        import obstore

        # An answer that has begun waits as long as it takes: to be turned away would break it off.
        async with self._asking(self._pinned if etag else self._seats.seat()):
            return Stream(await obstore.get_async(self._store, key, options=_options(part, etag)))

    def open_blocking(self, key: str, part: Part, etag: bytes | None) -> Iterator[bytes]:
        """Content as `open` gives it, in chunks, for a thread."""
        import obstore

        with _translated():
            result = obstore.get(self._store, key, options=_options(part, etag))
            yield from map(bytes, result.stream(min_chunk_size=_CHUNK))

    async def check(self) -> None:
        """Raise `Unavailable` if the store would not answer; to be denied a listing is an answer."""
        import obstore

        with suppress(Forbidden):
            async with self._asking():
                await obstore.list_with_delimiter_async(self._store, prefix=_ABSENT)

    def sign(
        self, method: str, key: str, query: Mapping[str, str], expires: int, headers: Mapping[str, str] | None = None
    ) -> str:
        """A URL of an object for whoever has it, as of `Signer`. Raises `Unavailable` without an account."""
        if self.signer is None:
            raise Unavailable("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, which a signed URL needs")
        return self.signer.sign(method, f"/{self.bucket}/{key}", query, time.time(), expires, headers)

    @cached_property
    def _store(self) -> "S3Store":
        from obstore.store import S3Store

        atexit.register(time.sleep, _REST)
        with _translated():
            return S3Store(
                self.bucket,
                client_options={
                    "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true"),
                    "connect_timeout": "2s",
                    "read_timeout": f"{round(self.timeout * 1000)}ms",
                    "timeout": "24h",  # of a whole answer, and its client may be slow
                },
                retry_config={
                    "max_retries": _RETRIES,
                    "retry_timeout": timedelta(days=1),  # counts from the request on, and a body may be cut late
                    "backoff": {
                        "init_backoff": timedelta(milliseconds=100),
                        "max_backoff": timedelta(seconds=1),
                        "base": 2,
                    },
                },
            )

    @asynccontextmanager
    async def _asking(self, seat: AbstractAsyncContextManager[None] | None = None) -> AsyncGenerator[None]:
        async with seat or self._seats.seat():
            try:
                async with asyncio.timeout(self.timeout):
                    with _translated():
                        yield
            except TimeoutError:
                raise Unavailable("the store does not answer") from None


def _options(part: Part, etag: bytes | None) -> Any:
    options: dict[str, Any] = {} if part is None else {"range": part}
    return options if etag is None else {**options, "if_match": etag.decode("latin-1")}


def _meta(result: Any) -> Meta:
    found = result.meta
    etag = (found["e_tag"] or "").encode("latin-1", "replace")
    if not re.fullmatch(rb'"[^"]+"', etag):
        raise Unavailable("the store gives no strong entity tag")
    encoding = result.attributes.get("Content-Encoding", "")
    return Meta(found["size"], int(found["last_modified"].timestamp()), etag, encoding)


def _status(error: Exception) -> int | None:
    """The status of the store's answer; obstore has it in the text alone, or in the class."""
    match = re.search(r"status code: (\d{3})|with (?:error )?status (\d{3})", str(error))
    if match is not None:
        return int(match[1] or match[2])
    return next((status for name, status in _STATUS.items() if type(error).__name__ == name), None)


_STATUS = {"FileNotFoundError": 404, "NotFoundError": 404, "PreconditionError": 412, "PermissionDeniedError": 403}
_STATUS |= {"UnauthenticatedError": 401}


@contextmanager
def _translated() -> Iterator[None]:
    """Errors of obstore as ours; what they say of the store's address is not passed on."""
    try:
        yield
    except (StorageError, TimeoutError):
        raise
    except Exception as error:
        raise _meaning(error) from None


def _meaning(error: Exception) -> StorageError:
    status, text = _status(error), str(error)
    match = re.search(r"<Code>(\w{1,64})</Code>", text)
    code = match[1] if match else ""
    if isinstance(error, ValueError) or (status == 404 and code != "NoSuchBucket"):
        return NotFound()
    if status == 412:
        return FileChanged()
    if status == 416 or "non-partial" in text:
        return RangeRefused("the store did not give the range that it was asked for")
    if code == "AccessDenied":
        logger.warning("the store denies access to what was asked for")
        return Forbidden()
    if "redirect" in text:
        return Unavailable("the store says 301: the bucket is in another region")
    if status is not None:
        return Unavailable(f"the store says {status} {code}".rstrip())
    return Unavailable(
        "the store is out of reach" if "connect" in text.lower() else "the store broke off, or fell silent"
    )
