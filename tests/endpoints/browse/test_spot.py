"""Where a URL of the page leads: directories seen beside one another, and refused where two would be one."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from asgi_downloads.service.application import Application, create_app
from asgi_downloads.service.own import OwnDirectory
from asgi_downloads.service.setting import SettingsError
from asgi_downloads.service.settings import Settings
from tests.support.asgi import Recorder, exchange


def write(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def served(tmp_path: Path, *urls: str, **more: Any) -> Application:
    """The data directory, with a directory of one's own at each URL, whose one file is called as it."""
    data = write(tmp_path / "data", "files/a.txt", "own.txt")
    own = tuple(
        OwnDirectory(url, write(tmp_path / url.replace("/", "_"), f"{url[1:].replace('/', '-')}.txt"), browse=True)
        for url in urls
    )
    return create_app(Settings(data_dir=data, directories=own, **{"browse": True, **more}))


def names(application: Application, path: str) -> list[str]:
    found = exchange(application, f"{path}?format=json")
    assert found.status == 200
    return [entry["href"] for entry in json.loads(found.content)["entries"]]


def members(found: Recorder) -> list[str]:
    assert found.status == 200, bytes(found.content)
    with zipfile.ZipFile(io.BytesIO(found.content)) as archive:
        return sorted(archive.namelist())


LISTS = {
    "/browse/": ["./files/", "./m/", "./media/", "./zoo/", "./own.txt"],
    "/browse/files/": ["./a.txt"],
    "/browse/media/": ["./media.txt"],
    "/browse/m/": ["./usic/"],
    "/browse/m/usic/": ["./m-usic.txt"],
}


@pytest.mark.parametrize("path", LISTS)
def test_directories_are_folders_of_the_page_at_their_urls(path: str, tmp_path: Path) -> None:
    assert names(served(tmp_path, "/zoo", "/media", "/m/usic"), path) == LISTS[path]


def test_the_data_directory_is_not_there_where_nobody_asked_for_it(tmp_path: Path) -> None:
    application = served(tmp_path, "/media", "/m/usic", browse=False)
    assert names(application, "/browse/") == ["./m/", "./media/"]
    assert names(application, "/browse/m/") == ["./usic/"]
    for path in ("/browse/files/", "/browse/own.txt", "/browse/files/a.txt", "/browse/none/", "/browse/none"):
        assert exchange(application, path).status == 404, path


ARCHIVES = {
    "/browse/?zip": ["files/a.txt", "m/usic/m-usic.txt", "media/media.txt", "own.txt"],
    "/browse/?zip&m=own.txt&m=media/": ["media/media.txt", "own.txt"],
    "/browse/?zip&m=media/": ["media/media.txt"],
    "/browse/?zip&m=m/": ["m/usic/m-usic.txt"],
    "/browse/?zip&q=m": ["m/usic/m-usic.txt", "media/media.txt"],
    "/browse/m/?zip": ["usic/m-usic.txt"],
    "/browse/m/?zip&m=usic/": ["usic/m-usic.txt"],
    "/browse/m/usic/?zip": ["m-usic.txt"],
    "/browse/media/?zip&m=media.txt": ["media.txt"],
}


@pytest.mark.parametrize("path", ARCHIVES)
@pytest.mark.parametrize("data", [True, False], ids=["with the data directory", "without"])
def test_one_archive_of_several_directories(path: str, data: bool, tmp_path: Path) -> None:
    application = served(tmp_path, "/media", "/m/usic", browse=data)
    wanted = [name for name in ARCHIVES[path] if data or name[0] == "m" or "/m" in name or "/browse/m" in path]
    if path != "/browse/?zip&m=own.txt&m=media/" or data:
        assert members(exchange(application, path)) == wanted


@pytest.mark.parametrize("name", ["none", "med", "media", "m", "", "m/usic/", "media/media.txt", "/"])
@pytest.mark.parametrize("data", [True, False], ids=["with the data directory", "without"])
def test_a_name_that_is_not_there_is_told(name: str, data: bool, tmp_path: Path) -> None:
    found = exchange(served(tmp_path, "/media", "/m/usic", browse=data), f"/browse/?zip&m=media/&m={name}")
    assert found.status == 404
    assert json.loads(found.content)["detail"].startswith("File not found" if name else "")
    assert name in json.loads(found.content)["detail"]


REDIRECTS = {
    "/": (307, b"browse/"),
    "/?q=a": (307, b"browse/?q=a"),
    "/browse": (308, b"./browse/"),
    "/browse/media": (308, b"./media/"),
    "/browse/m": (308, b"./m/"),
    "/browse/m/usic?page=2": (308, b"./usic/?page=2"),
    "/browse/files": (308, b"./files/"),
    "/media/": (307, b"/browse/media/"),
    "/media/none/": (307, b"/browse/media/none/"),
    "/m/usic/": (307, b"/browse/m/usic/"),
}


@pytest.mark.parametrize("path", REDIRECTS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_way_to_the_page(path: str, method: str, tmp_path: Path) -> None:
    found = exchange(served(tmp_path, "/media", "/m/usic"), path, method)
    assert (found.status, found.headers[b"location"]) == REDIRECTS[path]


def test_one_that_is_not_to_be_seen_is_not(tmp_path: Path) -> None:
    data = write(tmp_path / "data", "files/a.txt")
    own = (
        OwnDirectory("/media", write(tmp_path / "media", "x.txt")),
        OwnDirectory("/secret", write(tmp_path / "secret", "x.txt"), browse=True, access="links"),
    )
    application = create_app(Settings(data_dir=data, directories=own, browse=True))
    assert names(application, "/browse/") == ["./files/"]
    for path in ("/media/", "/browse/media/", "/browse/media/x.txt", "/browse/secret/", "/secret/", "/secret/x.txt"):
        assert exchange(application, path).status == 404, path
    assert exchange(application, "/media/x.txt").status == 200


@pytest.mark.parametrize("url", ["/files", "/own.txt", "/files/below", "/link"])
def test_a_clash_of_names_is_refused_at_the_start(url: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to("nowhere")
    with pytest.raises(SettingsError, match=f"{url} would be one|{url}/ would be one"):
        served(tmp_path, url)
    served(tmp_path, url, browse=False)


def test_a_directory_that_has_gone_is_left_out_and_comes_again(tmp_path: Path) -> None:
    application = served(tmp_path, "/media", "/m/usic")
    (tmp_path / "_media").rename(tmp_path / "away")
    application = create_app(application.settings)
    assert "./media/" not in names(application, "/browse/")
    assert exchange(application, "/browse/media/").status == 404
    assert members(exchange(application, "/browse/?zip")) == ["files/a.txt", "m/usic/m-usic.txt", "own.txt"]


def test_without_the_data_directory_the_others_are_there(tmp_path: Path) -> None:
    application = served(tmp_path, "/media")
    (tmp_path / "data").rename(tmp_path / "away")
    application = create_app(application.settings)
    assert names(application, "/browse/") == ["./media/"]
    assert members(exchange(application, "/browse/?zip")) == ["media/media.txt"]
    assert members(exchange(application, "/browse/?zip&m=media/")) == ["media/media.txt"]
