"""A script of one origin reads the answers of another, in a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from asgi_downloads import demo
from tests.support.browser import browser
from tests.support.nginx import behind_nginx
from tests.support.serving import serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

FETCH = """async ([url, options]) => {
    try {
        const answer = await fetch(url, options);
        const content = await answer.text();
        return {status: answer.status, headers: Object.fromEntries(answer.headers), length: content.length};
    } catch (error) {
        return {status: error.name, headers: {}, length: 0};
    }
}"""

ASKED: dict[str, tuple[str, dict[str, Any], int, dict[str, str]]] = {
    "a file": ("/file/notes.txt", {}, 200, {"accept-ranges": "bytes"}),
    "a head": ("/file/notes.txt", {"method": "HEAD"}, 200, {"content-disposition": 'inline; filename="notes.txt"'}),
    "a part": ("/file/notes.txt", {"headers": {"Range": "bytes=0-1"}}, 206, {"content-range": "bytes 0-1/[0-9]+"}),
    "several parts": ("/file/notes.txt", {"headers": {"Range": "bytes=0-1,4-5"}}, 206, {}),
    "a part if it is the same": (
        "/file/notes.txt",
        {"headers": {"Range": "bytes=0-1", "If-Range": '"x"', "Want-Repr-Digest": "sha-256=1"}},
        200,
        {"repr-digest": "sha-256=:.*:"},
    ),
    "not modified": (
        "/file/notes.txt",
        {"headers": {"If-None-Match": "*"}, "cache": "no-store"},
        304,
        {"etag": '".+"'},
    ),
    "a precondition that fails": ("/file/notes.txt", {"headers": {"If-Match": '"x"'}}, 412, {}),
    "beyond the end": (
        "/file/notes.txt",
        {"headers": {"Range": "bytes=999999-"}, "cache": "no-store"},
        416,
        {"content-range": r"bytes \*/[0-9]+"},
    ),
    "not there": ("/file/missing", {}, 404, {}),
}


def asked(page: "Page", url: str, name: str) -> dict[str, Any]:
    target, options, _, _ = ASKED[name]
    found: dict[str, Any] = page.evaluate(FETCH, [url + target, options])
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("cors") / "data"
    demo.write_demo(data, users=10)
    return data


@pytest.fixture(scope="module")
def page(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Page"]:
    """Of an origin of its own."""
    with serving("--data-dir", data) as other, browser(tmp_path_factory.mktemp("profile")) as context:
        page = context.new_page()
        page.goto(f"{other.url}/livez")
        yield page


def origin(page: "Page") -> str:
    found: str = page.evaluate("location.origin")
    return found


@pytest.fixture(scope="module", params=["listed", "any", "nginx", "offloaded"])
def url(
    request: pytest.FixtureRequest, page: "Page", data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    if request.param in ("listed", "any"):
        origins = "*" if request.param == "any" else f"https://a.example,{origin(page)}"
        with serving("--data-dir", data, "--cors-origins", origins) as served:
            yield served.url
        return
    offload = ("--accel-prefix", "/_files/") if request.param == "offloaded" else ()
    with behind_nginx(tmp_path_factory.mktemp("n"), data, "--cors-origins", origin(page), *offload) as site:
        yield site.url


@pytest.mark.parametrize("name", ASKED)
def test_a_script_of_another_origin_reads_it(name: str, page: "Page", url: str) -> None:
    _, _, status, fields = ASKED[name]
    found = asked(page, url, name)
    assert found["status"] == status
    for field, value in fields.items():
        assert re.fullmatch(value, found["headers"][field])


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("origins", [(), ("--cors-origins", "https://a.example")], ids=["off", "another"])
def test_without_leave_it_does_not(name: str, origins: tuple[str, ...], page: "Page", data: Path) -> None:
    with serving("--data-dir", data, *origins) as served:
        assert asked(page, served.url, name)["status"] == "TypeError"


def test_it_reads_that_there_are_too_many(page: "Page", data: Path) -> None:
    flags = ("--cors-origins", origin(page), "--max-downloads", "1", "--rate-limit", "64K")
    with serving("--data-dir", data, *flags) as served:
        first = page.evaluate(
            "async url => { self.first = await fetch(url); return self.first.status }",
            f"{served.url}/download/large/sample-8M.bin",
        )
        assert first == 200
        found = asked(page, served.url, "a file")
        assert (found["status"], found["headers"]["retry-after"]) == (503, "5")
