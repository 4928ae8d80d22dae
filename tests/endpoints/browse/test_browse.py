"""`/browse/`: every sentence that scripts and other programs may rely on, a row each."""

import asyncio
import io
import json
import os
import re
import time
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

import pytest

from asgi_downloads import pages
from asgi_downloads.asgi.types import ASGIApp, Message, Receive, Scope, Send
from asgi_downloads.service.application import Application, create_app
from asgi_downloads.service.own import OwnDirectory
from asgi_downloads.service.settings import Settings
from tests.conftest import assert_none_left, descriptors
from tests.support.asgi import Recorder, exchange, http_scope
from tests.support.files import write_files

FILES = {
    "holiday/2024/IMG_10.jpg": b"ten",
    "holiday/2024/IMG_2.jpg": b"two!",
    "holiday/2024/raw/IMG_2.raw": b"raw",
    "holiday/2024/README.md": b"# Seen <b>\n",
    "holiday/report.pdf": b"%PDF-1.4",
    "docs/page.html": b"<script>alert(1)</script>",
    "docs/drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "docs/film.mp4": b"film" * 100,
    "docs/film.srt": b"1\n00:00:01,000 --> 00:00:02,000\nHello\n",
    "docs/.hidden": b"hidden",
    "docs/half.part": b"half",
    "docs/caf\udce9.txt": b"bytes",
    "docs/data.json": b'{"a": 1}',
    "docs/binary": b"\0\1",
    ".git/config": b"secret",
    "notes.txt": b"notes",
}
MODIFIED = 1_700_000_000
BROWSER = [(b"accept", b"text/html,application/xhtml+xml,*/*;q=0.8")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "data"
    write_files(root, FILES, MODIFIED)
    (root / "docs" / "out").symlink_to(tmp_path / "outside")
    (tmp_path / "outside").write_bytes(b"outside")
    return root


@pytest.fixture
def app(root: Path) -> Iterator[Application]:
    before = descriptors()
    app = create_app(Settings(data_dir=root, browse=True, browse_title="Our <files>"))
    yield app

    async def end() -> None:
        async with app.resources():
            pass

    asyncio.run(end())  # a thread may be opening the table of checksums just now
    assert_none_left(before | {each for each in descriptors() if Path(each.partition(" -> ")[2]).is_dir()})


def raw(app: ASGIApp, target: str, method: str = "GET", content: bytes = b"", **more: Any) -> Recorder:
    """One request whose target is as on the wire, with content if there is to be any."""
    path, _, query = target.partition("?")

    async def with_content(scope: Scope, receive: Receive, send: Send) -> None:
        scope["raw_path"], scope["query_string"] = path.encode(), query.encode()
        sent: list[Message] = []

        async def give() -> Message:
            if not sent and content:
                sent.append({"type": "http.request", "body": content, "more_body": False})
                return sent[0]
            return await receive()

        await app(scope, give, send)

    return exchange(with_content, unquote(path), method, **more)


STATUS = {
    "/browse/": 200,
    "/browse/holiday/2024/": 200,
    "/browse/none/": 404,
    "/browse/none": 404,
    "/browse/notes.txt/": 404,
    "/browse/docs/.hidden": 404,
    "/browse/docs/half.part": 404,
    "/browse/.git/": 404,
    "/browse/.git": 404,
    "/browse/.git/config": 404,
    "/browse/.git/?zip": 404,
    "/browse/docs/?zip&m=.hidden": 404,
    "/browse/docs/.hidden?view": 404,
    "/browse/docs/out": 404,
    "/browse/docs/out?view": 404,
    "/browse/docs/out/": 404,
    "/browse/../notes.txt": 404,
    "/browse/docs/../notes.txt": 404,
    "/browse//": 404,
    "/browse/docs//": 404,
    "/browse/./": 404,
    "/browse/docs%2Ffilm.mp4": 404,
    "/browse/docs/film.mp4%00": 404,
    "/browse/docs/caf%E9.txt": 200,
    "/browse/docs/caf%E9.txt?view": 200,
    "/browse/docs/caf%C3%A9.txt": 404,
    "/browse/holiday": 308,
    "/browse/holiday/2024": 308,
    "/browse/holiday?view": 308,
    "/browse/holiday?format=json": 308,
    "/browse/?page=1000000": 200,
    "/browse/?page=0": 422,
    "/browse/?limit=10001": 422,
    "/browse/?sort=type": 422,
    "/browse/?order=no": 422,
    "/browse/?format=xml": 422,
    "/browse/?zip&s=!": 422,
    "/browse/?zip&x=!": 422,
    "/browse/?zip&m=none": 404,
    "/browse/?zip&m=notes.txt/": 404,
    "/browse/?zip&m=docs/film.mp4": 404,
    "/browse/docs/?zip&m=out": 404,
    "/browse/?zip&m=../data/notes.txt": 404,
    "/browse/?zip&q=nothing-like-it": 404,
    "/browse/docs/film.srt?vtt": 200,
    "/browse/docs/film.mp4?vtt": 200,
    "/browse/docs/none.srt?vtt": 404,
    "/.assets/none.js": 404,
    "/.assets/": 404,
    "/.assets/../page.js": 404,
}


@pytest.mark.parametrize("target", STATUS)
@pytest.mark.parametrize("person", [False, True], ids=["program", "person"])
def test_a_status(target: str, person: bool, app: Application) -> None:
    found = raw(app, target, headers=BROWSER if person else [])
    assert found.status == STATUS[target]
    assert b"outside" not in found.content
    assert b"secret" not in found.content
    if found.status >= 400:
        is_page = person and target.startswith("/browse")
        kind = b"text/html; charset=utf-8" if is_page else b"application/json"
        assert found.headers[b"content-type"] == kind
    head = raw(app, target, "HEAD", headers=BROWSER if person else [])
    assert (head.status, bytes(head.content)) == (found.status, b"")
    assert head.headers == found.headers


@pytest.mark.parametrize("target", [*(each for each in STATUS if each.startswith("/browse")), "/browse/docs/page.html"])
def test_all_answers_but_redirects_have_nosniff(target: str, app: Application) -> None:
    for headers in ([], BROWSER):
        found = raw(app, target, headers=headers)
        if found.status == 200 or (headers and found.status >= 400):
            assert found.headers[b"x-content-type-options"] == b"nosniff"


@pytest.mark.parametrize(
    ("target", "location"), [("/browse/holiday", b"./holiday/"), ("/browse/holiday/2024?a=b", b"./2024/?a=b")]
)
def test_a_folder_without_its_slash(target: str, location: bytes, app: Application) -> None:
    found = raw(app, target)
    assert (found.status, found.headers[b"location"]) == (308, location)


def test_a_file_is_as_file_would_show_it(root: Path) -> None:
    (root / "files").mkdir()
    (root / "files" / "page.html").write_bytes(b"<b>")
    (root / "files" / "x.pdf").write_bytes(b"%PDF")
    app = create_app(Settings(data_dir=root, browse=True))
    for name in ("page.html", "x.pdf", "page.html?download=true"):
        one, other = raw(app, f"/file/{name}"), raw(app, f"/browse/files/{name}")
        assert (one.status, one.headers, bytes(one.content)) == (200, other.headers, bytes(other.content))
    assert b"frame-ancestors" not in raw(app, "/browse/files/x.pdf").headers.get(b"content-security-policy", b"")
    assert raw(app, "/browse/files/x.pdf?download=x").status == 422


METHODS = [
    ("POST", "/browse/notes.txt", b"GET, HEAD"),
    ("PUT", "/browse/", b"GET, HEAD, POST"),
    ("DELETE", "/browse/notes.txt", b"GET, HEAD"),
    ("OPTIONS", "/browse/docs/", b"GET, HEAD, POST"),
]


@pytest.mark.parametrize(("method", "target", "allow"), METHODS)
def test_other_methods_are_405(method: str, target: str, allow: bytes, app: Application) -> None:
    found = raw(app, target, method)
    assert (found.status, found.headers[b"allow"]) == (405, allow)


KINDS = {
    "/browse/holiday/2024/": b"text/html; charset=utf-8",
    "/browse/holiday/2024/?format=json": b"application/json",
    "/browse/holiday/2024/?format=text": b"text/plain; charset=utf-8",
    "/browse/docs/data.json?view": b"text/html; charset=utf-8",
    "/browse/docs/film.srt?vtt": b"text/vtt; charset=utf-8",
}


@pytest.mark.parametrize("target", KINDS)
def test_what_is_made_has_a_strong_validator_and_is_asked_for_anew(target: str, app: Application) -> None:
    found = raw(app, target)
    assert found.headers[b"content-type"] == KINDS[target]
    assert found.headers[b"cache-control"] == b"no-cache"
    assert found.headers[b"vary"] == b"Accept"
    tag = found.headers[b"etag"]
    assert tag.startswith(b'"')
    again = raw(app, target, headers=[(b"if-none-match", tag)])
    assert (again.status, bytes(again.content), again.headers[b"etag"]) == (304, b"", tag)
    assert again.headers[b"vary"] == b"Accept"
    assert raw(app, target, headers=[(b"if-match", b'"other"')]).status == 412
    part = raw(app, target, headers=[(b"range", b"bytes=1-4"), (b"if-range", tag)])
    assert (part.status, bytes(part.content)) == (206, bytes(found.content)[1:5])


def test_the_tag_changes_with_what_is_seen(app: Application, root: Path) -> None:
    tags = [raw(app, "/browse/docs/").headers[b"etag"]]
    for act in (
        lambda: (root / "docs" / "new").write_bytes(b""),
        lambda: (root / "docs" / "new").write_bytes(b"longer"),
        lambda: os.utime(root / "docs" / "new", (1, 1)),
        lambda: (root / "docs" / "new").rename(root / "docs" / "newer"),
        lambda: (root / "docs" / "newer").unlink(),
    ):
        act()
        tags.append(raw(app, "/browse/docs/").headers[b"etag"])
    assert tags[-1] == tags[0]
    assert len(set(tags)) == len(tags) - 1
    targets = ("", "?format=json", "?format=text", "?q=f", "?sort=size", "?order=desc", "?page=2", "?limit=1")
    assert len({raw(app, f"/browse/docs/{query}").headers[b"etag"] for query in targets}) == len(targets)


def test_accept_chooses(app: Application) -> None:
    found = json.loads(raw(app, "/browse/holiday/2024/", headers=[(b"accept", b"application/json")]).content)
    files = [("IMG_2.jpg", 4), ("IMG_10.jpg", 3), ("README.md", 11)]
    at = {"modified": "2023-11-14T22:13:20Z"}
    assert found["entries"].pop(0).items() >= {"href": "./raw/", "type": "directory", "size": None}.items()
    assert found == {
        "path": "holiday/2024/",
        "entries": [{"name": name, "href": f"./{name}", "type": "file", "size": size, **at} for name, size in files],
        "total": 4,
        "files": 3,
        "bytes": 18,
    }


def test_html_has_1000_entries_and_json_all(root: Path, app: Application) -> None:
    (root / "many").mkdir()
    for number in range(1002):
        (root / "many" / f"f{number}").touch()
    page = raw(app, "/browse/many/").content.decode()
    assert page.count('<th scope="row">') == 1000
    assert 'href="./?page=2"' in page
    assert raw(app, "/browse/many/?page=2").content.count(b'<th scope="row">') == 2
    assert raw(app, "/browse/many/?limit=10000").content.count(b'<th scope="row">') == 1002
    assert raw(app, "/browse/many/?page=3").content.count(b'<th scope="row">') == 0
    assert len(json.loads(raw(app, "/browse/many/?format=json").content)["entries"]) == 1002
    beyond = json.loads(raw(app, "/browse/many/?format=json&page=9&limit=500").content)
    assert (beyond["entries"], beyond["total"]) == ([], 1002)


CSP = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
POLICIES = {
    "/browse/": CSP,
    "/browse/none/": CSP,
    "/browse/docs/film.mp4?view": CSP,
    "/browse/docs/page.html?view": CSP,
    "/browse/holiday/report.pdf?view": CSP + b"; frame-src 'self'",
}


@pytest.mark.parametrize("target", POLICIES)
def test_a_page_has_a_strict_policy_and_nothing_inline(target: str, app: Application) -> None:
    found = raw(app, target, headers=BROWSER)
    assert found.headers[b"content-security-policy"] == POLICIES[target]
    page = found.content.decode()
    assert not re.search(r"<style|style=|<script(?! src=\"(\.\./)+\.assets/)| on[a-z]+=|javascript:", page)


@pytest.mark.parametrize("mounted", ["", "/dl"])
@pytest.mark.parametrize(
    "target", ["/browse/", "/browse/holiday/2024/", "/browse/docs/data.json?view", "/browse/none/x"]
)
def test_pages_find_their_assets_below_any_prefix(target: str, mounted: str, app: Application) -> None:
    found = raw(app, mounted + target, headers=BROWSER, root_path=mounted)
    urls = re.findall(r'"((?:\.\./)+\.assets/[^"]+)"', found.content.decode())
    assert len(urls) == 3
    for url in urls:
        path = urljoin(mounted + target.partition("?")[0], url)
        asset = raw(app, path, root_path=mounted)
        assert asset.status == 200, path
        assert asset.headers[b"cache-control"] == b"public, max-age=31536000, immutable"
        assert asset.headers[b"x-content-type-options"] == b"nosniff"
        assert raw(app, path, headers=[(b"if-none-match", asset.headers[b"etag"])], root_path=mounted).status == 304


def test_assets_are_named_by_what_is_in_them() -> None:
    assert len(pages.assets()) == 3
    assert all(re.fullmatch(r"[a-z]+-[0-9a-f]{16}\.(css|js|svg)", name) for name in pages.assets())


def form(*names: str) -> bytes:
    return "&".join(f"m={name.replace('%', '%25')}" for name in names).encode()


LOCATIONS = {
    form("IMG_2.jpg", "IMG_10.jpg"): b"?zip&m=IMG_10.jpg&m=IMG_2.jpg",
    form("IMG_10.jpg", "IMG_2.jpg", "IMG_2.jpg"): b"?zip&m=IMG_10.jpg&m=IMG_2.jpg",
    form("raw/"): b"?zip&m=raw/",
    form("caf%E9.txt", "a%26b"): b"?zip&m=a%26b&m=caf%E9.txt",
    b"m=a+b&other=1": b"?zip&m=a%20b",
}


@pytest.mark.parametrize("content", LOCATIONS)
def test_ticks_are_led_to_a_url(content: bytes, app: Application) -> None:
    found = raw(app, "/browse/holiday/2024/", "POST", content)
    assert (found.status, found.headers[b"location"]) == (303, LOCATIONS[content])


def test_the_form_may_have_a_mebibyte(app: Application) -> None:
    assert raw(app, "/browse/", "POST", b"m=notes.txt&pad=" + b"a" * ((1 << 20) - 16)).status == 303
    assert raw(app, "/browse/", "POST", b"m=notes.txt&pad=" + b"a" * ((1 << 20) - 15)).status == 413
    assert raw(app, "/browse/", "POST", b"x", headers=[(b"content-length", b"1048577")]).status == 413
    for nothing in (b"&", b"q=a", b"n=a"):
        assert raw(app, "/browse/", "POST", nothing).status == 422


def test_a_long_selection_is_packed_and_its_archive_is_the_same(app: Application, root: Path) -> None:
    names = [f"IMG_{number:04}.JPG" for number in range(1200)]
    (root / "many").mkdir()
    for name in names:
        (root / "many" / name).write_text(name)
    few, most = names[::3], names[3:]
    for chosen, key in ((few, b"?zip&s="), (most, b"?zip&x="), (names, b"?zip&x=")):
        found = raw(app, "/browse/many/", "POST", form(*chosen))
        assert found.status == 303
        assert found.headers[b"location"].startswith(key)
        archive = raw(app, "/browse/many/" + found.headers[b"location"].decode())
        assert members(archive) == sorted(chosen)
    assert raw(app, "/browse/many/", "POST", form(*reversed(few))).headers[b"location"] != found.headers[b"location"]


def members(found: Recorder) -> list[str]:
    assert found.status == 200, bytes(found.content)
    with zipfile.ZipFile(io.BytesIO(found.content)) as archive:
        assert archive.testzip() is None
        return sorted(archive.namelist())


ARCHIVES = {
    "/browse/holiday/?zip": [
        *("2024/IMG_10.jpg", "2024/IMG_2.jpg", "2024/README.md", "2024/raw/IMG_2.raw", "report.pdf")
    ],
    "/browse/holiday/?zip=1&q=": [
        *("2024/IMG_10.jpg", "2024/IMG_2.jpg", "2024/README.md", "2024/raw/IMG_2.raw", "report.pdf")
    ],
    "/browse/holiday/?zip&q=REPORT": ["report.pdf"],
    "/browse/holiday/?zip&q=20": ["2024/IMG_10.jpg", "2024/IMG_2.jpg", "2024/README.md", "2024/raw/IMG_2.raw"],
    "/browse/holiday/2024/?zip&m=IMG_2.jpg&m=raw/": ["IMG_2.jpg", "raw/IMG_2.raw"],
    "/browse/docs/?zip&m=caf%E9.txt": ["caf%E9.txt"],
    "/browse/docs/?zip": [*("binary", "caf%E9.txt", "data.json", "drawing.svg", "film.mp4", "film.srt", "page.html")],
}


@pytest.mark.parametrize("target", ARCHIVES)
def test_an_archive_has_what_was_asked_for(target: str, app: Application) -> None:
    found = raw(app, target)
    assert members(found) == ARCHIVES[target]
    tag = found.headers[b"etag"]
    assert tag.startswith(b'"')
    rest = raw(app, target, headers=[(b"range", b"bytes=50-"), (b"if-range", tag)])
    assert (rest.status, bytes(rest.content)) == (206, bytes(found.content)[50:])
    assert found.headers[b"content-disposition"].startswith(b"attachment; filename=")


def test_any_order_and_any_words_give_one_tag(app: Application) -> None:
    targets = ["?zip&m=IMG_2.jpg&m=raw/", "?zip&m=raw/&m=IMG_2.jpg", "?zip&m=raw/&m=IMG_2.jpg&m=raw/"]
    assert len({raw(app, f"/browse/holiday/2024/{each}").headers[b"etag"] for each in targets}) == 1


@pytest.mark.parametrize("name", ["gone.jpg", "gone/", "caf%E9", "IMG_2.jpg/", "raw"])
def test_a_member_that_is_gone_is_named(name: str, app: Application) -> None:
    target = f"/browse/holiday/2024/?zip&m=IMG_2.jpg&m={name}"
    found = raw(app, target)
    assert found.status == 404
    assert json.loads(found.content) == {"detail": f"File not found: {name.replace('%E9', chr(0xFFFD))}"}
    page = raw(app, target, headers=BROWSER)
    assert page.status == 404
    assert f"File not found: {name.replace('%E9', chr(0xFFFD))}".encode() in page.content


def test_a_name_in_an_error_runs_nothing(app: Application) -> None:
    page = raw(app, "/browse/?zip&m=%3Cscript%3E%E2%80%AE", headers=BROWSER).content.decode()
    assert "File not found: &lt;script&gt;\\u202e" in page


def test_the_way_back_from_an_error_leads_to_what_is_there(app: Application) -> None:
    for target in ("/browse/none/", "/browse/docs/none", "/browse/docs/?zip&m=none", "/browse/docs/?page=0"):
        page = raw(app, target, headers=BROWSER).content.decode()
        found = re.search(r'<a href="([^"]+)">', page)
        assert found is not None
        assert raw(app, urljoin(target.partition("?")[0], found[1])).status == 200, target


VIEWS = {
    "/browse/docs/film.mp4?view": ['<video src="./film.mp4"', '<track kind="subtitles" src="./film.srt?vtt"'],
    "/browse/docs/page.html?view": ["<pre>&lt;script&gt;alert(1)&lt;/script&gt;</pre>"],
    "/browse/docs/drawing.svg?view": ['<img src="./drawing.svg"'],
    "/browse/docs/data.json?view": ["<pre>{\n  &quot;a&quot;: 1\n}</pre>", 'rel="prev" href="./caf%E9.txt?view"'],
    "/browse/docs/binary?view": ["There is no preview", 'rel="next" href="./caf%E9.txt?view"'],
    "/browse/docs/caf%E9.txt?view": [
        "<pre>bytes</pre>",
        "<dt>Type</dt><dd>text/plain",
        '<data class="count" value="5">5</data> bytes',
        "2023-11-14 22:13 UTC",
        'value="curl -C - -O http://files.example/browse/docs/caf%E9.txt"',
        'value="wget -c http://files.example/browse/docs/caf%E9.txt"',
        'value="aria2c -x4 http://files.example/browse/docs/caf%E9.txt"',
        'href="./caf%E9.txt?download=true" download',
    ],
    "/browse/holiday/report.pdf?view": ['<iframe src="./report.pdf" title="report.pdf">'],
    "/browse/holiday/2024/": [
        "<h1><bdi>2024</bdi></h1>",
        "<title>2024 - Our &lt;files&gt;</title>",
        "# Seen &lt;b&gt;",
        'value="http://files.example/browse/holiday/2024/?zip"',
        '<a href="./../">',
        '<a href="./../../">',
        'aria-sort="ascending"',
        'aria-label="Select IMG_2.jpg"',
    ],
    "/browse/holiday/2024/?q=img&sort=size": [
        'value="http://files.example/browse/holiday/2024/?zip&amp;q=img"',
        "Download what was found",
        'aria-sort="descending"',
        "with “img” in the name",
    ],
    "/browse/?q=%22%3E%3Cscript%3E": ['value="&quot;&gt;&lt;script&gt;"'],
}


@pytest.mark.parametrize("target", VIEWS)
def test_a_page_has(target: str, app: Application) -> None:
    page = raw(app, target, headers=[(b"host", b"files.example"), *BROWSER]).content.decode()
    assert [each for each in VIEWS[target] if each not in page] == []
    assert "<script>" not in page


def test_a_digest_that_is_known_is_a_fact(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asgi_downloads.storage.files.state.SETTLING_NS", -1)  # so that it is kept
    target = "/browse/notes.txt"
    assert b"SHA-256" not in raw(app, f"{target}?view").content
    assert b"repr-digest" in raw(app, target, headers=[(b"want-repr-digest", b"sha-256=1")]).headers
    assert f"<dt>SHA-256</dt><dd>{sha256(b'notes').hexdigest()}</dd>".encode() in raw(app, f"{target}?view").content


def test_what_is_the_services_own_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "app.db").write_text("secret")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "x").write_text("secret")
    (tmp_path / "hard").hardlink_to(tmp_path / "app.db")
    (tmp_path / "link").symlink_to("state/x")
    (tmp_path / "fine.txt").write_text("fine")
    app = create_app(Settings(data_dir=tmp_path, state_dir=tmp_path / "state"))
    assert [each["name"] for each in json.loads(raw(app, "/browse/?format=json").content)["entries"]] == ["fine.txt"]
    assert members(raw(app, "/browse/?zip")) == ["fine.txt"]
    for name in ("app.db", "state", "state/x", "hard", "link", "state/"):
        for query in ("", "?view", "?zip"):
            assert raw(app, f"/browse/{name}{query}").status == 404, name + query
    for name in ("app.db", "state/", "hard", "link"):
        assert raw(app, f"/browse/?zip&m={name}").status == 404, name


def test_a_directory_of_ones_own_without_a_page_has_none(tmp_path: Path) -> None:
    (tmp_path / "media" / "sub").mkdir(parents=True)
    own = (OwnDirectory("/media", tmp_path / "media"),)
    app = create_app(Settings(data_dir=tmp_path / "none", directories=own))
    for target in ("/", "/browse", "/browse/", "/media/", "/media/sub/", "/browse/media/", "/.assets/x"):
        assert raw(app, target).status == 404, target


def test_what_matched_and_went_meanwhile_is_left_out_of_what_matched(app: Application, root: Path) -> None:
    assert members(raw(app, "/browse/holiday/2024/?zip&q=img")) == ["IMG_10.jpg", "IMG_2.jpg"]
    (root / "holiday" / "2024" / "IMG_2.jpg").unlink()
    assert members(raw(app, "/browse/holiday/2024/?zip&q=img")) == ["IMG_10.jpg"]


MANY = 30_000
LONG = [
    ("GET", "/browse/many/", b""),
    ("GET", "/browse/many/?format=json", b""),
    ("GET", "/browse/many/f1?view", b""),
    ("POST", "/browse/many/", b"&".join(b"m=f%d" % number for number in range(MANY))),
    ("GET", "/browse/big.srt?vtt", b""),
]


@pytest.mark.slow
def test_nobody_else_waits_for_a_page(root: Path) -> None:
    """What takes long is done in threads: the event loop's own has next to nothing to do."""
    (root / "many").mkdir()
    for number in range(MANY):
        (root / "many" / f"f{number}").touch()
    (root / "big.srt").write_bytes(b"1\n00:00:01,000 --> 00:00:02,000\nHello\n\n" * 90_000)
    app = create_app(Settings(data_dir=root, browse=True))

    async def on_the_loop(method: str, target: str, content: bytes) -> float:
        path, _, query = target.partition("?")
        recorder = Recorder(http_scope(path, method))
        recorder.scope["query_string"] = query.encode()
        sent: list[bytes] = [content]

        async def receive() -> Message:
            if sent:
                return {"type": "http.request", "body": sent.pop(), "more_body": False}
            return await recorder.receive()

        begun = time.thread_time()
        await app(recorder.scope, receive, recorder.send)
        assert recorder.status in (200, 303), (target, bytes(recorder.content)[:200])
        return time.thread_time() - begun

    for method, target, content in LONG:
        least = min(asyncio.run(on_the_loop(method, target, content)) for _ in range(3))
        assert least < 0.025, f"{method} {target}: {least * 1000:.0f} ms"
