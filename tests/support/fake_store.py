"""A store of S3's kind, in threads of this process, that fails and lies as it is told to."""

import hashlib
import re
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "fakes"

Fields = dict[str, str]


@dataclass(frozen=True)
class Fault:
    """What becomes of one request for content.

    `kind` is "end" (after `after` bytes, as if that were all), "reset", "stall", "silent" (no answer), "status",
    "whole" (no 206), "elsewhere" (a range that was not asked for), "longer" (more than is announced in the facts),
    "untagged", or "replace" (by `content`, before it is looked for). With `content` the object is replaced besides.
    """

    kind: str
    after: int = 0
    status: int = 503
    code: str = "SlowDown"
    content: bytes | None = None


@dataclass
class FakeStore:
    """Objects of one bucket, and the faults of the next requests for content, in order."""

    objects: dict[str, bytes] = field(default_factory=dict)
    faults: deque[Fault] = field(default_factory=deque)
    always: Fault | None = None
    """What befalls every request for content when no other fault is left."""
    asked: list[tuple[str, str, Fields]] = field(default_factory=list)
    """Method, key and fields of each request for an object."""
    pages: int = 0
    """Requests for a listing."""
    obeys_conditions: bool = True
    released: threading.Event = field(default_factory=threading.Event)
    open: set[object] = field(default_factory=set)
    """Connections that are open now."""
    port: int = 0
    checksums: dict[str, tuple[str, str]] = field(default_factory=dict)
    """x-amz-checksum-crc32 and -type of objects, for who asks."""
    latency: float = 0.0
    """Seconds before each answer."""
    under_way: int = 0
    peak: int = 0
    """Requests for content that were under way at a time."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def environ(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "nowhere-1",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "TheSecretOfTheStore",
        }

    def forget(self) -> None:
        """As new, but for the objects."""
        self.faults.clear()
        self.asked.clear()
        self.always, self.pages, self.obeys_conditions, self.latency, self.peak = None, 0, True, 0.0, 0
        self.released.set()
        self.released = threading.Event()


def tag(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


@contextmanager
def fake_store(**objects: bytes) -> Iterator[FakeStore]:
    store = FakeStore(dict(objects))

    class Handler(_Handler):
        pass

    Handler.store = store
    server = _Server(("127.0.0.1", 0), Handler)
    store.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield store
    finally:
        store.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


class _Handler(BaseHTTPRequestHandler):
    store: FakeStore
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.store.open.add(self)

    def finish(self) -> None:
        self.store.open.discard(self)
        super().finish()

    def handle(self) -> None:
        with suppress(ConnectionError):  # whoever asked has left
            super().handle()

    def log_message(self, *said: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(None)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path.rstrip("/") == f"/{BUCKET}":
            self._list(parse_qs(url.query, keep_blank_values=True))
        else:
            store = self.store
            with store.lock:
                store.under_way += 1
                store.peak = max(store.peak, store.under_way)
            time.sleep(store.latency)
            try:
                self._answer(store.faults.popleft() if store.faults else store.always)
            finally:
                with store.lock:
                    store.under_way -= 1

    def _answer(self, fault: Fault | None) -> None:
        store, key = self.store, unquote(urlsplit(self.path).path.removeprefix(f"/{BUCKET}/"))
        fields = {name.lower(): value for name, value in self.headers.items()}
        store.asked.append((self.command, key, fields))
        kind = "" if fault is None else fault.kind
        if fault is not None and kind == "replace" and fault.content is not None:
            store.objects[key] = fault.content
        content = store.objects.get(key)
        if kind == "silent":
            store.released.wait(30)
            self.close_connection = True
        elif fault is not None and kind == "status":
            self._error(fault.status, fault.code)
        elif content is None:
            self._error(404, "NoSuchKey")
        elif store.obeys_conditions and fields.get("if-match", tag(content)) != tag(content):
            self._error(412, "PreconditionFailed")
        else:
            self._send(key, content, fields.get("range"), fault or Fault(""))

    def _send(self, key: str, content: bytes, asked: str | None, fault: Fault) -> None:
        start, stop, status = 0, len(content), 200
        if asked is not None and fault.kind != "whole":
            match = re.fullmatch(r"bytes=(\d*)-(\d*)", asked)
            assert match is not None
            if match[1]:
                start, stop = int(match[1]), min(int(match[2] or stop) + 1, len(content))
            else:
                start = max(0, stop - int(match[2]))
            if start >= stop:
                self._error(416, "InvalidRange")
                return
            status = 206
        if fault.kind == "elsewhere":
            start, stop = start + 1, stop + 1
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        if fault.kind != "untagged":
            self.send_header("ETag", tag(content))
        self.send_header("Content-Length", str(stop - start))
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        if key in self.store.checksums and self.headers.get("x-amz-checksum-mode") == "ENABLED":
            for name, value in zip(("crc32", "type"), self.store.checksums[key], strict=True):
                self.send_header(f"x-amz-checksum-{name}", value)
        self.end_headers()
        if self.command == "HEAD":
            return
        cuts = fault.kind in ("end", "reset", "stall")
        self.wfile.write(content[start : start + fault.after] if cuts else content[start:stop].ljust(stop - start))
        if not cuts:
            return
        if fault.content is not None:
            self.store.objects[key] = fault.content
        if fault.kind == "stall":
            self.store.released.wait(30)
        if fault.kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def _error(self, status: int, code: str) -> None:
        said = f"<?xml version='1.0'?>\n<Error><Code>{code}</Code><Message>No.</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    def _list(self, query: dict[str, list[str]]) -> None:
        """ListObjectsV2, a thousand keys to a page, without delimiters."""
        store = self.store
        store.pages += 1
        prefix, after = query["prefix"][0], query.get("continuation-token", [""])[0]
        if store.always is not None and store.always.kind == "status":
            self._error(store.always.status, store.always.code)
            return
        keys = sorted(key for key in store.objects if key.startswith(prefix) and key > after)
        page, rest = keys[:1000], keys[1000:]
        modified = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(1767225600))
        rows = "".join(
            f"<Contents><Key>{quote(key, errors='surrogateescape')}</Key><LastModified>{modified}</LastModified>"
            f"<ETag>{escape(tag(store.objects[key]))}</ETag><Size>{len(store.objects[key])}</Size></Contents>"
            for key in page
        )
        more = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if rest else ""
        said = (
            f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>{'true' if rest else 'false'}</IsTruncated>{more}{rows}</ListBucketResult>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
