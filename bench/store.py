"""An object store of the harness' own: nginx with the data tree, which answers as S3 does but asks nobody for a key.

It costs next to nothing, so that what is measured is what fetches from it. Listings are made beforehand.
"""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from string import Template
from types import TracebackType
from typing import Self
from urllib.parse import quote
from xml.sax.saxutils import escape

from bench.load import on_core
from bench.postgres import NotAvailable
from bench.targets import PATH, PEERS, await_port, free_port

BUCKET = "bench"


class Store:
    """`with Store(root, core) as store: store.url`: the tree at `root` as the bucket "bench", on a core of its own."""

    def __init__(self, root: Path, core: int | None = None) -> None:
        self._root = root
        self._core = core
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        if shutil.which("nginx", path=PATH) is None:
            raise NotAvailable("nginx is not installed")
        self._folder = tempfile.TemporaryDirectory(prefix="bench-store-")
        scratch = Path(self._folder.name)
        (scratch / "lists").mkdir()
        for folder in sorted((self._root / "bundles").glob("*/")):
            prefix = f"bundles/{folder.name}/"
            (scratch / "lists" / f"{quote(prefix, safe='')}.xml").write_text(_listing(prefix, folder))
        values = {
            "user": "user root;" if os.geteuid() == 0 else "",
            "scratch": scratch,
            "data": self._root,
            "port": self._port,
        }
        configuration = scratch / "nginx.conf"
        configuration.write_text(Template((PEERS / "store.conf").read_text()).substitute(values))
        with on_core(self._core):
            self._process = subprocess.Popen(
                ["nginx", "-e", "stderr", "-c", str(configuration)], env={**os.environ, "PATH": PATH}
            )
        await_port(self._port)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
        if self._folder is not None:
            self._folder.cleanup()


def _listing(prefix: str, folder: Path) -> str:
    """One page of ListObjectsV2, with the entity tags that nginx gives."""
    rows = []
    for path in sorted(folder.iterdir()):
        status = path.stat()
        modified = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(status.st_mtime))
        etag = escape(f'"{int(status.st_mtime):x}-{status.st_size:x}"')
        rows.append(
            f"<Contents><Key>{quote(prefix + path.name)}</Key><LastModified>{modified}</LastModified>"
            f"<ETag>{etag}</ETag><Size>{status.st_size}</Size></Contents>"
        )
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(rows)}</ListBucketResult>"
