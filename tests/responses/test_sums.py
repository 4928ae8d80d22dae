"""Digests as text, such as coreutils verify."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from asgi_downloads import Files
from asgi_downloads.responses.sums import sum_line
from asgi_downloads.service.application import create_app
from asgi_downloads.service.settings import Settings
from tests.responses.conftest import FILES
from tests.support.asgi import exchange
from tests.support.tools import require


def line(name: str, content: bytes) -> bytes:
    return f"{hashlib.sha256(content).hexdigest()}  {name}\n".encode()


def test_a_file_is_one_line(root: Path) -> None:
    assert exchange(Files(root), "/sub/deep/film.mp4?sha256").content == line("film.mp4", FILES["sub/deep/film.mp4"])


@pytest.mark.parametrize("times", [1, 2])
def test_a_folder_is_a_line_for_all_that_its_archive_holds(times: int, root: Path) -> None:
    (root / "sub" / "hollow").mkdir()
    files = Files(root, bundle=True)
    for _ in range(times):
        found = exchange(files, "/?sha256").content
    shown = {name: content for name, content in FILES.items() if "/." not in f"/{name}"} | {"in": b"hello"}
    assert sorted(found.splitlines(True)) == sorted(line(name, content) for name, content in shown.items())


def test_names_begin_at_the_folder(root: Path) -> None:
    assert exchange(Files(root, bundle=True), "/sub/deep/?sha256").content == line("film.mp4", b"film" * 1000)


def test_many_files_are_all_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asgi_downloads.storage.files.state.SETTLING_NS", -1)  # so that they are known the second time
    for number in range(1000):
        (tmp_path / f"{number:04}").write_bytes(b"%d" % number)
    files = Files(tmp_path, bundle=True)
    want = b"".join(line(f"{number:04}", b"%d" % number) for number in range(1000))
    for _ in range(2):
        assert exchange(files, "/?sha256").content == want


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    found = exchange(Files(tmp_path, bundle=True), "/?sha256")
    assert (found.status, bytes(found.content)) == (200, b"")


def test_what_cannot_be_read_is_not_passed_over(root: Path) -> None:
    (root / "sub" / "closed").write_bytes(b"")
    (root / "sub" / "closed").chmod(0)
    if os.access(root / "sub" / "closed", os.R_OK):
        pytest.skip("root reads everything")
    assert exchange(Files(root, bundle=True), "/?sha256").status == 503


def test_what_is_the_services_own_has_none(tmp_path: Path) -> None:
    state = tmp_path / "media" / "state"
    state.mkdir(parents=True)
    (state / "secret").write_bytes(b"secret")
    (tmp_path / "media" / "a").write_bytes(b"a")
    directories = ({"url": "/media", "path": tmp_path / "media", "bundle": True},)
    app = create_app(Settings(data_dir=tmp_path, state_dir=state, directories=directories))  # type: ignore[arg-type]
    assert exchange(app, "/media/state/secret?sha256").status == 404
    assert exchange(app, "/media/?sha256").content == line("a", b"a")


def test_the_page_gives_them_as_well(root: Path) -> None:
    app = create_app(Settings(data_dir=root, browse=True))
    assert exchange(app, "/browse/sub/deep/?sha256").content == line("film.mp4", FILES["sub/deep/film.mp4"])
    assert exchange(app, "/browse/sub/deep/film.mp4?sha256").content == line("film.mp4", FILES["sub/deep/film.mp4"])
    assert [exchange(app, f"/browse/{name}?sha256").status for name in ("none", "none/", ".secret", "out")] == [404] * 4
    assert b".hidden" not in exchange(app, "/browse/?sha256").content


ODD = ["plain", "two words", " lead", "back\\slash", "new\nline", "carriage\rreturn", "\\n", "caf\udce9", "日本"]


def test_coreutils_find_every_name(tmp_path: Path) -> None:
    require("sha256sum")
    lines = []
    for name in ODD:
        (tmp_path / name).write_bytes(name.encode("utf-8", "surrogateescape"))
        lines.append(sum_line(hashlib.sha256((tmp_path / name).read_bytes()).digest(), name))
    checked = subprocess.run(
        ["sha256sum", "-c", "--strict", "--quiet"],
        cwd=tmp_path,
        input=b"".join(lines),
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
    written = subprocess.run(["sha256sum", *ODD], cwd=tmp_path, capture_output=True, check=True).stdout
    assert b"".join(lines) == written
