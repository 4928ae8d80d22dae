"""A bundle is one archive that resumes: its members, its validators, its ranges, and what breaks it off."""

import asyncio
import errno
import io
import os
import re
import shutil
import zipfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from asgi_downloads.asgi.guard import Guard
from asgi_downloads.asgi.router import Route, Router
from asgi_downloads.asgi.types import ASGIApp, Message
from asgi_downloads.bodies.zip.archive import Archive
from asgi_downloads.bodies.zip.cache import Archives
from asgi_downloads.endpoints.bundle import BundleEndpoint
from asgi_downloads.responses import zip_delivery as response
from asgi_downloads.responses.zip_delivery import ZipDelivery
from asgi_downloads.storage.files import state
from asgi_downloads.storage.files.checksums import Checksums
from asgi_downloads.storage.files.listing import Listing
from asgi_downloads.storage.files.scan import scan_blocking
from asgi_downloads.storage.files.tree import Directory, Tree
from tests.support.asgi import Recorder, exchange, http_scope
from tests.support.users import as_nobody

pytestmark = pytest.mark.usefixtures("no_descriptor_left")

TEXT = b"".join(b"line %d of a text that packs well\n" % n for n in range(60_000))
CONTENT_TAG, STATE_TAG = re.compile(rb'"z-[0-9a-f]{32}"'), re.compile(rb'"s-[0-9a-f]{32}"')
OLD = 1_700_000_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The directory of all bundles."""
    root = tmp_path / "bundles"
    bundle = root / "b"
    (bundle / "below" / "nothing").mkdir(parents=True)
    (bundle / "text.txt").write_bytes(TEXT)
    (bundle / ".hidden").write_bytes(b"h")
    (bundle / "below" / "deep.txt").write_bytes(b"deep")
    (bundle / "inside").symlink_to("text.txt")
    (bundle / "outside").symlink_to("/etc/hostname")
    os.mkfifo(bundle / "fifo")
    (root / "only-directories" / "below").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "a-file").touch()
    (root / "elsewhere").symlink_to("/etc")
    for path in (*bundle.rglob("*"), bundle):
        if path.is_file() or path.is_dir():
            os.utime(path, (OLD, OLD))
    return root


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is too new to be trusted."""
    monkeypatch.setattr(state, "SETTLING_NS", -(10**12))


@pytest.fixture
def impatient(settled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if computing the CRCs took long."""
    compute = Archive.compute

    async def patiently(
        archive: Archive, directory: Directory, indexes: Sequence[int], until: float | None = None
    ) -> None:
        if until is not None:  # there is a time after which nobody waits
            raise TimeoutError
        await compute(archive, directory, indexes)

    monkeypatch.setattr(Archive, "compute", patiently)


def service(tree: Tree, checksums: Checksums, *, may_omit: bool = False) -> ASGIApp:
    archives = Archives(checksums, may_omit=may_omit)
    return Guard(Router((Route("/bundle/{bundle_id}", BundleEndpoint(tree, ZipDelivery(archives))),)))


@pytest.fixture
def app(root: Path) -> Generator[ASGIApp]:
    tree = Tree(root)
    with Checksums() as checksums:
        yield service(tree, checksums)
    tree.directory().close()  # pytest keeps the application for a while


def get(app: ASGIApp, target: str = "/bundle/b", method: str = "GET", **fields: str) -> Recorder:
    headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
    return exchange(app, target, method, headers=headers)


def names(answer: Recorder) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(bytes(answer.content))) as archive:
        assert archive.testzip() is None
        return archive.namelist()


# What is in it


@dataclass(frozen=True)
class Case:
    id: str
    target: str
    want: list[str]


MEMBERS = [
    Case("flat", "/bundle/b", [".hidden", "inside", "text.txt"]),
    Case("not-recursive", "/bundle/b?recursive=no", [".hidden", "inside", "text.txt"]),
    Case(
        "recursive",
        "/bundle/b?recursive=true",
        [".hidden", "inside", "text.txt", "below/deep.txt", "below/nothing/"],
    ),
    Case("deflated", "/bundle/b?compression=deflate", [".hidden", "inside", "text.txt"]),
    Case(
        "deflated-recursive",
        "/bundle/b?compression=auto&recursive=1",
        [".hidden", "inside", "text.txt", "below/deep.txt", "below/nothing/"],
    ),
]


@pytest.mark.parametrize("case", MEMBERS, ids=lambda c: c.id)
def test_members(app: ASGIApp, case: Case) -> None:
    answer = get(app, case.target)
    assert answer.status == 200
    assert answer.complete
    assert names(answer) == case.want


def test_the_fields_of_an_archive(app: ASGIApp) -> None:
    answer = get(app)
    assert answer.headers[b"content-type"] == b"application/zip"
    assert answer.headers[b"content-disposition"] == b'attachment; filename="bundle-b.zip"'
    assert answer.headers[b"content-length"] == b"%d" % len(answer.content)
    assert answer.headers[b"accept-ranges"] == b"bytes"
    assert answer.headers[b"last-modified"] == b"Tue, 14 Nov 2023 22:13:20 GMT"
    assert CONTENT_TAG.fullmatch(answer.headers[b"etag"])
    assert answer.headers[b"x-content-type-options"] == b"nosniff"


@dataclass(frozen=True)
class Refusal:
    id: str
    target: str
    status: int
    detail: str


REFUSALS = [
    Refusal("missing", "/bundle/nothing", 404, "Bundle not found"),
    Refusal("a-file", "/bundle/a-file", 404, "Bundle not found"),
    Refusal("dot", "/bundle/.", 404, "Bundle not found"),
    Refusal("dot-dot", "/bundle/..", 400, "Invalid file path"),
    Refusal("link-outside", "/bundle/elsewhere", 400, "Invalid file path"),
    Refusal("too-long", "/bundle/" + "x" * 300, 404, "Bundle not found"),
    Refusal("nul", "/bundle/b\0", 400, "Invalid file path"),
    Refusal("empty", "/bundle/empty", 404, "No files in bundle"),
    Refusal("only-directories", "/bundle/only-directories", 404, "No files in bundle"),
    Refusal("only-directories-recursive", "/bundle/only-directories?recursive=1", 404, "No files in bundle"),
    Refusal("empty-deflated", "/bundle/empty?compression=deflate", 404, "No files in bundle"),
]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda c: c.id)
def test_refusals(app: ASGIApp, case: Refusal) -> None:
    answer = get(app, case.target)
    assert (answer.status, bytes(answer.content)) == (case.status, b'{"detail":"%b"}' % case.detail.encode())


def test_parameters_are_refused_as_fastapi_does(app: ASGIApp) -> None:
    answer = get(app, "/bundle/nothing?compression=zip&recursive=maybe")
    assert answer.status == 422, "and before the bundle is looked for"
    assert b'"type":"literal_error","loc":["query","compression"]' in answer.content
    assert b'"type":"bool_parsing","loc":["query","recursive"]' in answer.content


# All of it, or told what not


@pytest.fixture
def secret(root: Path) -> Path:
    """A file of the bundle that may not be read."""
    path = root / "b" / "below" / "secret"
    path.touch()
    path.chmod(0)
    return path


def test_a_bundle_of_which_something_cannot_be_read_is_refused(
    app: ASGIApp, secret: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with as_nobody(secret.parent):
        assert get(app).status == 200, "it lies in a directory that was not asked for"
        answer = get(app, "/bundle/b?recursive=1")
    assert answer.status == 503
    assert answer.headers[b"retry-after"] == b"1"
    assert b"secret" not in answer.content
    assert "1 of its files or directories cannot be read, the first is 'below/secret'" in caplog.text


@pytest.mark.parametrize("compression", ["store", "deflate"])
def test_or_made_without_it_and_says_so(root: Path, secret: Path, compression: str) -> None:
    with Checksums() as checksums, as_nobody(secret.parent):
        app = service(Tree(root), checksums, may_omit=True)
        answer = get(app, f"/bundle/b?recursive=1&compression={compression}")
    assert answer.status == 200
    assert "below/deep.txt" in names(answer)
    assert answer.headers[b"x-bundle-omitted"] == b"2", "the file, and the link that leads out"


def test_a_bundle_that_lacks_nothing_says_nothing(app: ASGIApp, root: Path) -> None:
    assert get(app).headers[b"x-bundle-omitted"] == b"1"
    (root / "b" / "outside").unlink()
    assert b"x-bundle-omitted" not in get(app).headers


@pytest.mark.parametrize("place", ["b", "b/below"])
def test_a_disk_that_fails_anywhere_is_503(
    app: ASGIApp, root: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim, scandir = (root / place).stat().st_ino, os.scandir

    def failing(fd: int) -> object:
        if os.fstat(fd).st_ino == victim:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return scandir(fd)

    monkeypatch.setattr(os, "scandir", failing)
    answer = get(app, "/bundle/b?recursive=1")
    assert answer.status == 503
    assert answer.headers[b"retry-after"] == b"1"


@pytest.mark.parametrize("year", [-10_000_000_000, -1, 10_413_792_000, 15_000_000_000])
@pytest.mark.parametrize("place", ["text.txt", "below/nothing", "."])
def test_any_date_is_archived(app: ASGIApp, root: Path, place: str, year: int) -> None:
    os.utime(root / "b" / place, (year, year))
    if (root / "b" / place).stat().st_mtime != year:
        pytest.skip("this file system has no such date")
    answer = get(app, "/bundle/b?recursive=1")
    assert answer.status == 200
    assert "text.txt" in names(answer)


def test_names_of_any_bytes_are_archived_percent_encoded(app: ASGIApp, root: Path) -> None:
    for name in (b"caf\xe9.txt", b"what?.txt"):
        (root / "b" / os.fsdecode(name)).touch()
    assert {"caf%E9.txt", "what_.txt"} < {*names(get(app))}


# Resuming


def test_head_has_the_fields_of_get(app: ASGIApp) -> None:
    head, whole = get(app, method="HEAD"), get(app)
    assert head.headers == whole.headers
    assert head.content == b""


def test_a_range_with_the_tag_of_the_first_answer(app: ASGIApp) -> None:
    whole = get(app)
    tag = whole.headers[b"etag"].decode()
    rest = get(app, range="bytes=1000000-", if_range=tag)
    assert rest.status == 206
    assert rest.content == whole.content[1_000_000:]
    assert rest.headers[b"etag"] == whole.headers[b"etag"]
    ranges = get(app, range="bytes=0-9,-22", if_range=tag)
    assert ranges.headers[b"content-type"].startswith(b"multipart/byteranges")
    assert bytes(whole.content[:10]) in ranges.content
    assert bytes(whole.content[-22:]) in ranges.content
    assert get(app, range=f"bytes={len(whole.content)}-").status == 416
    assert get(app, if_none_match=tag).status == 304
    assert get(app, if_match='"other"').status == 412


def test_a_restart_and_a_replica_know_the_tag(root: Path, impatient: None, tmp_path: Path) -> None:
    replica = tmp_path / "replica"
    with Checksums(tmp_path / "state") as checksums:
        app = service(Tree(root), checksums)
        get(app)  # all CRCs are known from now on
        tag = get(app).headers[b"etag"]
        assert CONTENT_TAG.fullmatch(tag)
    (root / "b" / "fifo").unlink()
    os.utime(root / "b", (OLD, OLD))
    shutil.copytree(root / "b", replica / "b", symlinks=True)
    for place in (root, replica):
        with Checksums() as checksums:  # knows nothing
            answer = get(service(Tree(place), checksums), range="bytes=5-", if_range=tag.decode())
            assert answer.status == 206, "however long it takes to find out"
            assert answer.headers[b"etag"] == tag


def test_a_download_that_began_before_the_crcs_were_known_resumes_after(
    root: Path, impatient: None, tmp_path: Path
) -> None:
    with Checksums(tmp_path / "state") as checksums:
        app = service(Tree(root), checksums)
        first = get(app, range="bytes=0-99")
        early = first.headers[b"etag"].decode()
        assert STATE_TAG.fullmatch(early.encode())
        again = get(app, range="bytes=100-", if_range=early)
        assert again.status == 206, "still unknown"
        whole = get(app)
        assert first.content + again.content == whole.content
    with Checksums(tmp_path / "state") as checksums:
        app = service(Tree(root), checksums)
        late = get(app, method="HEAD").headers[b"etag"]
        assert CONTENT_TAG.fullmatch(late)
        rest = get(app, range="bytes=100-", if_range=early)
        assert (rest.status, rest.headers[b"etag"]) == (206, early.encode()), "who holds a tag gets it back"
        assert rest.content == whole.content[100:]
        assert get(app, if_none_match=early).status == 304
        (root / "b" / "text.txt").write_bytes(TEXT[::-1])
        assert get(app, range="bytes=100-", if_range=early).status == 200


def test_a_file_that_is_too_new_is_read_first_however_long_it_takes(
    app: ASGIApp, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response, "PATIENCE", 0.0)
    monkeypatch.setattr(state, "SETTLING_NS", 10**12)
    assert CONTENT_TAG.fullmatch(get(app).headers[b"etag"])


@pytest.mark.parametrize("compression", ["store", "deflate"])
def test_an_edit_in_place_is_seen_by_the_next_request(
    app: ASGIApp, root: Path, settled: None, compression: str
) -> None:
    target = f"/bundle/b?compression={compression}"
    get(app, target)
    before = get(app, target)
    path = root / "b" / "text.txt"
    with path.open("r+b") as file:
        file.write(b"LINE")
    os.utime(path, (OLD, OLD))
    get(app, target)
    after = get(app, target)
    assert after.headers[b"etag"] != before.headers[b"etag"]
    with zipfile.ZipFile(io.BytesIO(bytes(after.content))) as archive:
        assert archive.read("text.txt")[:4] == b"LINE"


@pytest.mark.parametrize("compression", ["deflate", "auto"])
def test_the_second_deflated_download_resumes(app: ASGIApp, settled: None, compression: str) -> None:
    target = f"/bundle/b?compression={compression}"
    head = get(app, target, "HEAD")
    assert (head.status, bytes(head.content)) == (200, b"")
    first = get(app, target, range="bytes=5-")
    assert first.status == 200
    assert first.headers[b"x-accel-buffering"] == b"no"
    assert not {b"content-length", b"accept-ranges", b"etag"} & first.headers.keys()
    assert {*head.headers} == {*first.headers}
    second = get(app, target)
    assert second.content == first.content
    assert second.headers[b"content-length"] == b"%d" % len(first.content)
    part = get(app, target, range="bytes=700-900", if_range=second.headers[b"etag"].decode())
    assert part.status == 206
    assert part.content == first.content[700:901]
    assert get(app, target, "HEAD").headers == second.headers


def test_a_first_deflated_download_that_was_not_modified_since(app: ASGIApp) -> None:
    answer = get(app, "/bundle/b?compression=deflate", if_modified_since="Wed, 15 Nov 2023 00:00:00 GMT")
    assert (answer.status, bytes(answer.content)) == (304, b"")


def test_the_store_and_deflate_archives_have_different_tags(app: ASGIApp, settled: None) -> None:
    tags = set()
    for compression in ("store", "deflate", "auto"):
        get(app, f"/bundle/b?compression={compression}")
        tags.add(get(app, f"/bundle/b?compression={compression}").headers[b"etag"])
    assert len(tags) == 3


# Breaking off


@pytest.mark.parametrize("compression", ["store", "deflate"])
def test_a_member_that_changes_midway_breaks_the_transfer(
    app: ASGIApp, root: Path, compression: str, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(6):
        (root / "b" / f"large-{number}").write_bytes(os.urandom(3 << 20))

    def strike(event: Message) -> None:
        if event["type"] == "http.response.body":
            (root / "b" / "large-5").write_bytes(bytes(3 << 20))

    async def run() -> Recorder:
        scope = http_scope(f"/bundle/b?compression={compression}")
        recorder = Recorder(scope, on_event=strike)
        await app(scope, recorder.receive, recorder.send)
        return recorder

    answer = asyncio.run(run())
    assert answer.status == 200
    assert not answer.complete
    assert "broken off" in caplog.text


def test_a_bundle_that_never_stays_the_same_is_503(app: ASGIApp, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scan_and_change(*args: object, **kwargs: object) -> Listing:
        found = scan_blocking(*args, **kwargs)  # type: ignore[arg-type]
        (root / "b" / "text.txt").write_bytes(TEXT)
        return found

    monkeypatch.setattr("asgi_downloads.storage.files.contents.scan_blocking", scan_and_change)
    answer = get(app)
    assert answer.status == 503
    assert answer.headers[b"retry-after"] == b"1"


def test_a_bundle_that_changed_once_while_it_was_listed_is_listed_again(
    app: ASGIApp, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = iter((True,))

    def scan_and_change(*args: object, **kwargs: object) -> Listing:
        found = scan_blocking(*args, **kwargs)  # type: ignore[arg-type]
        if next(changes, False):
            (root / "b" / "text.txt").write_bytes(TEXT[:-1])
        return found

    monkeypatch.setattr("asgi_downloads.storage.files.contents.scan_blocking", scan_and_change)
    answer = get(app)
    assert answer.status == 200
    with zipfile.ZipFile(io.BytesIO(bytes(answer.content))) as archive:
        assert archive.read("text.txt") == TEXT[:-1]


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
@pytest.mark.parametrize("compression", ["store", "deflate"])
def test_a_client_that_leaves_is_noticed(app: ASGIApp, root: Path, compression: str, spec_version: str) -> None:
    for number in range(20):
        (root / "b" / f"large-{number}").write_bytes(os.urandom(1 << 20))

    async def run() -> Recorder:
        scope = http_scope(f"/bundle/b?compression={compression}", spec_version=spec_version)
        recorder = Recorder(scope, hang_up_after=3)
        await app(scope, recorder.receive, recorder.send)
        return recorder

    answer = asyncio.run(run())
    assert not answer.complete
    assert len(answer.events) == 3


def test_a_client_that_leaves_while_crcs_are_computed_stops_that(app: ASGIApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "SETTLING_NS", 10**12)
    begun, stopped = asyncio.Event(), False

    async def prepare(*_: object) -> None:
        nonlocal stopped
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped = True

    monkeypatch.setattr(Archive, "prepare", prepare)

    async def receive() -> Message:
        await begun.wait()
        return {"type": "http.disconnect"}

    async def run() -> None:
        recorder = Recorder(http_scope("/bundle/b"))
        await app(recorder.scope, receive, recorder.send)
        assert recorder.events == []

    asyncio.run(run())
    assert stopped
