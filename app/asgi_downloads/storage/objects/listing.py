"""What lies below a prefix: names, sizes and entity tags of a thousand objects in one request.

The request is our own, since obstore gives up a whole listing for one key that it cannot address.
"""

import calendar
import http.client
import re
import stat
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from asgi_downloads.storage.errors import Forbidden, Unavailable
from asgi_downloads.storage.files.listing import Listing
from asgi_downloads.storage.files.state import FileState
from asgi_downloads.storage.jobs import Stopped
from asgi_downloads.storage.objects.store import Meta, ObjectStore
from asgi_downloads.storage.objects.url import StoreURL

_MODE = stat.S_IFREG | 0o644
_NS_PER_S = 1_000_000_000


class Found(NamedTuple):
    """An object of a listing."""

    key: str
    meta: Meta


class ObjectListing(Listing):
    """Objects as a listing has files; alike on every replica that lists the same versions.

    What is kept by a file's state is kept by bucket, key and entity tag, of which its numbers are made.
    """

    is_shared = True

    def __init__(self, scanned_ns: int, root: StoreURL) -> None:
        super().__init__(scanned_ns)
        self.root = root
        self.metas: list[Meta] = []

    def add_object(self, path: str, meta: Meta) -> None:
        """Append an object."""
        self.add_state(path, state_of(self.root.bucket, self.root.prefix + path, meta), _MODE)
        self.metas.append(meta)

    def is_settled(self, index: int) -> bool:
        """True: another version has another entity tag."""
        return True

    @property
    def all_settled(self) -> bool:
        """True, as `is_settled` is."""
        return True

    def is_current_blocking(self, directory: object) -> bool:
        """False: only the store can tell."""
        return False


def state_of(bucket: str, key: str, meta: Meta) -> FileState:
    """What a file's state is to a file; every later version differs, at whatever time it is written."""
    etag = meta.etag.decode("latin-1")
    return FileState(_number(bucket), _number(key), meta.size, meta.modified * _NS_PER_S, -_number(etag))


def list_blocking(store: ObjectStore, prefix: str, stop: threading.Event, *, recursive: bool = True) -> Iterator[Found]:
    """The objects whose keys begin with `prefix`. Without `recursive` keys end at their next "/", which all that begin
    alike share, as if that were an empty object.

    Raises `Forbidden`, `Unavailable`, and `Stopped` when told to stop.
    """
    query = {"list-type": "2", "encoding-type": "url", "prefix": prefix, **({} if recursive else {"delimiter": "/"})}
    more = ""
    while True:
        if stop.is_set():
            raise Stopped
        page = _ask_blocking(store, {**query, **({"continuation-token": more} if more else {})})
        yield from map(_found, page.iterfind("{*}Contents"))
        for each in page.iterfind("{*}CommonPrefixes"):
            yield Found(unquote_plus(_text(each, "Prefix"), errors="surrogateescape"), Meta(0, 0, b""))
        more = page.findtext("{*}NextContinuationToken") or ""
        if not more or page.findtext("{*}IsTruncated") != "true":
            return


def _ask_blocking(store: ObjectStore, query: dict[str, str]) -> ElementTree.Element:
    url = store.sign("GET", "", query, 60)
    try:
        with urllib.request.urlopen(url, timeout=store.timeout) as answer:
            return ElementTree.fromstring(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            match = re.search(rb"<Code>(\w{1,64})</Code>", error.read(1 << 16))
        code = match[1].decode() if match else ""
        if code == "AccessDenied":
            raise Forbidden from None
        raise Unavailable(f"the store says {error.code} {code}".rstrip()) from None
    except (OSError, http.client.HTTPException):
        raise Unavailable("the store does not answer") from None
    except ElementTree.ParseError:
        raise Unavailable("the store gives a listing that cannot be read") from None


def _found(each: ElementTree.Element) -> Found:
    modified = time.strptime(_text(each, "LastModified")[:19], "%Y-%m-%dT%H:%M:%S")
    meta = Meta(int(_text(each, "Size")), calendar.timegm(modified), _text(each, "ETag").encode("latin-1", "replace"))
    return Found(unquote_plus(_text(each, "Key"), errors="surrogateescape"), meta)


def _text(each: ElementTree.Element, name: str) -> str:
    return each.findtext(f"{{*}}{name}") or ""


def _number(text: str) -> int:
    """A number of 63 bits that stands for a text."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest()) >> 1
