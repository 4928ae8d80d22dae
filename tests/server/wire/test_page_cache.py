"""What is in the page cache, and how the rest gets there."""

import os
from pathlib import Path

import pytest

from asgi_downloads.server.wire import page_cache

SIZE = 2 << 20


def test_a_file_just_written_is_resident(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * SIZE)
    with path.open("rb") as file:
        assert page_cache.resident(file.fileno(), 0, SIZE)
        assert page_cache.resident(file.fileno(), SIZE, 10)  # past the end there is nothing to wait for


def test_a_file_dropped_from_the_cache_is_not_until_it_is_brought_in(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * SIZE)
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if page_cache.resident(file.fileno(), 0, SIZE):
            pytest.skip("this file system keeps everything in memory")
        page_cache.bring_in(file.fileno(), 0, SIZE // 2, SIZE // 2)
        assert page_cache.resident(file.fileno(), 0, SIZE // 2)


def test_bringing_in_ends_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    with path.open("rb") as file:
        page_cache.bring_in(file.fileno(), 0, SIZE, 0)


def test_a_file_system_that_cannot_tell_counts_as_cold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unsupported(*_: object) -> int:
        raise OSError(95, "Operation not supported")

    (tmp_path / "file").write_bytes(b"x")
    with (tmp_path / "file").open("rb") as file:
        monkeypatch.setattr(os, "preadv", unsupported)
        assert not page_cache.resident(file.fileno(), 0, 1)
