"""A name is resolved beneath a directory or not at all, by the kernel's rules and by our own alike."""

import ctypes
import errno
import os
import socket
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from asgi_downloads.storage.files import beneath

Resolver = Callable[[int, bytes], int]

RESOLVERS = [
    pytest.param(
        beneath.openat2, id="openat2", marks=pytest.mark.skipif(not beneath.HAS_OPENAT2, reason="no openat2 here")
    ),
    pytest.param(beneath.walk, id="walk"),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Generator[int]:
    """A tree of hostile names; the secret lies beside it."""
    base = tmp_path_factory.mktemp("beneath")
    (base / "secret").write_text("secret")
    (base / "tree-secrets").mkdir()
    (base / "tree-secrets" / "file").write_text("secret")
    tree = base / "tree"
    (tree / "sub" / "deep").mkdir(parents=True)
    (tree / "file").write_text("inside")
    (tree / "sub" / "file").write_text("below")
    links = {
        "to-file": "file",
        "to-sub": "sub",
        "sub/up-and-down": "../sub/file",
        "sub/to-root-file": "../file",
        "chain-1": "chain-2",
        "chain-2": "to-file",
        "through-link": "to-sub/file",
        "out": "../secret",
        "out-to-nothing": "../nothing",
        "out-to-directory": "..",
        "out-to-sibling": "../tree-secrets/file",
        "out-by-sub": "sub/../../secret",
        "out-and-back": "../tree/file",
        "absolute": str(base / "secret"),
        "absolute-inside": str(tree / "file"),
        "absolute-to-nothing": str(base / "nothing"),
        "proc": "/proc/self/environ",
        "dangling": "nothing",
        "loop-1": "loop-2",
        "loop-2": "loop-1",
        "self": "self",
        "dot": ".",
    }
    for name, target in links.items():
        (tree / name).symlink_to(target)
    long_chain = "file"
    for step in range(45):
        (tree / f"long-{step}").symlink_to(long_chain)
        long_chain = f"long-{step}"
    os.mkfifo(tree / "fifo")
    fd = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@dataclass(frozen=True)
class Opens:
    id: str
    name: bytes
    content: bytes


OPENS = [
    Opens("a-file", b"file", b"inside"),
    Opens("a-file-below", b"sub/file", b"below"),
    Opens("dot-segments", b"./sub/.//file", b"below"),
    Opens("dot-dot-that-stays", b"sub/deep/../file", b"below"),
    Opens("dot-dot-to-the-root", b"sub/../file", b"inside"),
    Opens("a-link", b"to-file", b"inside"),
    Opens("a-link-of-links", b"chain-1", b"inside"),
    Opens("a-directory-link", b"to-sub/file", b"below"),
    Opens("a-link-through-a-link", b"through-link", b"below"),
    Opens("a-link-that-climbs-and-stays", b"sub/up-and-down", b"below"),
    Opens("a-link-to-the-root", b"sub/to-root-file", b"inside"),
    Opens("a-link-to-dot", b"dot/file", b"inside"),
    Opens("forty-links", b"long-38", b"inside"),
]


@dataclass(frozen=True)
class Refused:
    id: str
    name: bytes
    code: int


REFUSED = [
    Refused("dot-dot", b"..", errno.EXDEV),
    Refused("dot-dot-and-a-name", b"../secret", errno.EXDEV),
    Refused("dot-dot-to-nothing-tells-no-more", b"../nothing", errno.EXDEV),
    Refused("down-and-twice-up", b"sub/../../secret", errno.EXDEV),
    Refused("absolute", b"/etc/passwd", errno.EXDEV),
    Refused("link-out", b"out", errno.EXDEV),
    Refused("link-out-to-nothing-tells-no-more", b"out-to-nothing", errno.EXDEV),
    Refused("link-to-the-parent", b"out-to-directory/secret", errno.EXDEV),
    Refused("link-to-a-sibling-of-like-name", b"out-to-sibling", errno.EXDEV),
    Refused("link-out-by-a-detour", b"out-by-sub", errno.EXDEV),
    Refused("link-out-and-back", b"out-and-back", errno.EXDEV),
    Refused("absolute-link", b"absolute", errno.EXDEV),
    Refused("absolute-link-to-the-inside", b"absolute-inside", errno.EXDEV),
    Refused("absolute-link-to-nothing", b"absolute-to-nothing", errno.EXDEV),
    Refused("link-into-proc", b"proc", errno.EXDEV),
    Refused("missing", b"nothing", errno.ENOENT),
    Refused("empty", b"", errno.ENOENT),
    Refused("dangling-link", b"dangling", errno.ENOENT),
    Refused("file-as-directory", b"file/x", errno.ENOTDIR),
    Refused("file-with-slash", b"file/", errno.ENOTDIR),
    Refused("link-loop", b"loop-1", errno.ELOOP),
    Refused("link-to-itself", b"self", errno.ELOOP),
    Refused("more-than-forty-links", b"long-44", errno.ELOOP),
    Refused("name-too-long", b"x" * 256, errno.ENAMETOOLONG),
    Refused("path-too-long", b"x" * 4096, errno.ENAMETOOLONG),
]


@pytest.mark.parametrize("resolve", RESOLVERS)
@pytest.mark.parametrize("case", OPENS, ids=lambda case: case.id)
def test_what_stays_beneath_is_opened(resolve: Resolver, case: Opens, root: int) -> None:
    fd = resolve(root, case.name)
    try:
        assert os.read(fd, 100) == case.content
        assert not os.get_inheritable(fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize("resolve", RESOLVERS)
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.id)
def test_what_leads_out_or_nowhere_is_refused(
    resolve: Resolver, case: Refused, root: int, no_descriptor_left: None
) -> None:
    with pytest.raises(OSError) as refusal:
        os.close(resolve(root, case.name))
    assert refusal.value.errno == case.code


def test_where_a_rename_crosses_every_attempt_of_the_kernel_each_segment_is_opened(
    root: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def crossed(*args: object) -> int:
        asked.append(args)
        ctypes.set_errno(errno.EAGAIN)
        return -1

    monkeypatch.setattr(beneath, "_syscall", crossed)
    fd = beneath.openat2(root, b"sub/up-and-down")
    assert os.read(fd, 100) == b"below"
    os.close(fd)
    assert asked


@pytest.mark.parametrize("resolve", RESOLVERS)
def test_a_fifo_is_opened_without_waiting_for_its_writer(resolve: Resolver, root: int) -> None:
    os.close(resolve(root, b"fifo"))


@pytest.mark.parametrize("resolve", RESOLVERS)
def test_a_socket_cannot_be_opened(resolve: Resolver, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        directory = os.open(tmp_path, os.O_RDONLY)
        with pytest.raises(OSError) as refusal:
            os.close(resolve(directory, b"socket"))
        os.close(directory)
    assert refusal.value.errno == errno.ENXIO


def from_memory(root: int, name: bytes) -> int:
    """What the kernel says at last: it says nothing while somebody renames something, anywhere."""
    for _ in range(10_000):
        fd = beneath.open_cached(root, name)
        if fd is not None:
            return fd
    raise AssertionError("it is not in memory")


@pytest.mark.skipif(not beneath.HAS_CACHED, reason="no RESOLVE_CACHED here")
def test_a_name_in_the_kernel_s_memory_needs_no_disk(root: int) -> None:
    os.close(beneath.open_blocking(root, b"sub/file"))
    os.close(from_memory(root, b"sub/file"))
    with pytest.raises(FileNotFoundError):
        beneath.open_blocking(root, b"nothing")
    with pytest.raises(FileNotFoundError):
        from_memory(root, b"nothing")


def test_without_the_kernel_s_help_nothing_is_said_to_be_in_memory(root: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beneath, "HAS_CACHED", False)
    assert beneath.open_cached(root, b"sub/file") is None
