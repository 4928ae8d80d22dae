"""The page as people see it: a real Chromium on the served process, with scripts and without, near and behind nginx."""

import hashlib
import os
import subprocess
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes, unquote_to_bytes
from urllib.request import urlopen

import pytest

from tests.support.axe import violations
from tests.support.browser import browser
from tests.support.cutting import cutting
from tests.support.nginx import behind_nginx
from tests.support.serving import ROOT, Served, serving, until
from tests.support.tools import require
from tests.system.test_observation import Lines

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Dialog, Page

pytestmark = pytest.mark.slow

SAMPLES = ROOT / "app" / "asgi_downloads" / "demo" / "files"
SRT = "1\n00:00:00,000 --> 00:00:20,000\nHello, café 1,5\n"
NASTY = {
    b"javascript:alert(1).txt": "javascript:alert(1).txt",
    b'"><script>alert(1)</script'.replace(b"/", b"") + b".txt": '"><script>alert(1)<script.txt',
    b"'onmouseover='alert(1)'.txt": "'onmouseover='alert(1)'.txt",
    "evil\u202egpj.exe".encode(): "evil\\u202egpj.exe",
    b"new\nline.txt": "new\\u000aline.txt",
    b"caf\xe9.txt": "caf\ufffd.txt",
    b"a#b?c%41.txt": "a#b?c%41.txt",
    b" lead and trail ": " lead and trail ",
    b"x..%2e": "x..%2e",
    b"&amp;.txt": "&amp;.txt",
    b"$name ${title} $$.txt": "$name ${title} $$.txt",
    "שלום עולם.txt".encode(): "שלום עולם.txt",
    b"-rf": "-rf",
    b"x" * 255: "x" * 255,
}
"""Names as bytes, and as they are to be read."""


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.utime(path, (1_732_561_680, 1_732_561_680))  # 2024-11-25T19:08:00Z
    return path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("page") / "data"
    for name in ("notes.txt", "page.html", "photo.jpg", "report.pdf", "table.csv", "drawing.svg"):
        write(root / "kinds" / name, (SAMPLES / name).read_bytes())
    write(root / "kinds" / "film.mp4", (SAMPLES / "video.mp4").read_bytes())
    write(root / "kinds" / "film.en.srt", SRT)
    write(
        root / "kinds" / "sound.wav", b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0D\xac\0\0\x88X\1\0\2\0\x10\0data\0\0\0\0"
    )
    write(root / "kinds" / "data.json", '{"a": [1, {"b": null}]}')
    write(root / "kinds" / "empty.csv", "")
    write(root / "kinds" / "binary", bytes(range(256)) * 8)
    write(root / "kinds" / ("long" * 50 + ".txt"), "long\n" * 5000)
    write(root / "kinds" / "README.md", "# These are *all kinds*\n\n    of files\n")
    (root / "empty").mkdir()
    for nasty in NASTY:
        write(root / "nasty" / os.fsdecode(nasty), b"bytes of " + nasty)
    (root / "nasty" / "fold\ner#").mkdir()
    for number in range(2345):
        write(root / "many" / f"IMG_{number}.jpg", b"%d" % number)
    for number in range(6):
        write(root / "tick" / f"{number}.txt", b"%d" % number * 1000)
    write(root / "tick" / "sub" / "below.txt", "below")
    write(root / "big" / "one.bin", hashlib.shake_128(b"one").digest(6 << 20))
    write(root / "big" / "two.bin", hashlib.shake_128(b"two").digest(6 << 20))
    write(root / "big" / "three.bin", b"3")
    return root


@pytest.fixture(scope="module")
def served(root: Path) -> Iterator[Served]:
    with serving(root) as served:
        yield served


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[BrowserContext]":
    with browser(tmp_path_factory.mktemp("profile")) as context:
        yield context


@pytest.fixture
def page(context: "BrowserContext") -> "Iterator[Page]":
    page = context.new_page()
    yield page
    page.close()


def dialogs(page: "Page") -> list[str]:
    """What dialogs of the page say, from now on."""
    said: list[str] = []

    def dismiss(dialog: "Dialog") -> None:
        said.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("dialog", dismiss)
    return said


@contextmanager
def without_trouble(page: "Page") -> Iterator[None]:
    """Fails for a dialog, a report of the page's policy, or a script that ran where none should."""
    trouble = dialogs(page)
    page.on("console", lambda line: trouble.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.add_init_script(
        "addEventListener('securitypolicyviolation', event => console.error('CSP: ' + event.blockedURI), true)"
    )
    yield
    assert trouble == []


AXE = [
    *(
        "",
        "kinds/",
        "empty/",
        "nasty/",
        "many/?limit=150",
        "many/?page=2&sort=size&q=IMG_1&limit=100",
        "none/",
        "?page=0",
    ),
    *(f"kinds/{name}?view" for name in ("notes.txt", "page.html", "photo.jpg", "report.pdf", "table.csv")),
    *(f"kinds/{name}?view" for name in ("drawing.svg", "film.mp4", "sound.wav", "data.json", "empty.csv", "binary")),
    "kinds/" + "long" * 50 + ".txt?view",
    "nasty/" + quote_from_bytes(b'"><script>alert(1)<script.txt') + "?view",
]


@pytest.mark.parametrize("path", AXE, ids=lambda path: path[:30])
def test_axe_finds_nothing(path: str, served: Served, page: "Page") -> None:
    page.goto(f"{served.url}/browse/{path}")
    ticks = page.locator("[name=m]")
    if ticks.count() > 1:
        ticks.nth(0).check()
        ticks.nth(1).check()
    assert violations(page) == []


def members(path: Path | str) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_without_a_script_two_ticks_are_a_zip_with_these_two(
    served: Served, context: "BrowserContext", page: "Page"
) -> None:
    context.new_cdp_session(page).send("Emulation.setScriptExecutionDisabled", {"value": True})
    page.goto(f"{served.url}/browse/tick/")
    page.get_by_label("Select 2.txt").check()
    page.get_by_label("Select sub/").check()
    with page.expect_download() as started:
        page.get_by_role("button", name="Download selected").click()
    assert started.value.suggested_filename == "tick.zip"
    assert members(started.value.path()) == {"2.txt": b"2" * 1000, "sub/below.txt": b"below"}
    with page.expect_download() as started:
        page.get_by_role("button", name="Download all").click()
    assert len(members(started.value.path())) == 7
    page.get_by_label("Find in this folder").fill("3")
    page.get_by_role("button", name="Find").click()
    assert page.locator("tbody tr").count() == 1
    with page.expect_download() as started:
        page.get_by_role("button", name="Download what was found").click()
    assert list(members(started.value.path())) == ["3.txt"]
    page.goto(f"{served.url}/browse/tick/")
    page.get_by_role("button", name="Size").click()
    assert page.locator("[aria-sort]").get_attribute("aria-sort") == "descending"
    page.get_by_role("button", name="Size").click()
    assert page.locator("[aria-sort]").get_attribute("aria-sort") == "ascending"
    page.get_by_role("button", name="Download selected").click()
    assert page.inner_text("main") == "422\n\nNothing was selected\n\nBack to the folder"


def test_a_download_cut_at_half_asks_for_the_rest(root: Path, page: "Page") -> None:
    with serving(root, "--access-log", "--access-log-format", "text") as served:
        lines = Lines(served)
        with cutting(int(served.url.rpartition(":")[2]), 6 << 20) as cut:
            page.goto(f"http://127.0.0.1:{cut.port}/browse/big/")
            page.get_by_label("Select one.bin").check()
            page.get_by_label("Select two.bin").check()
            with page.expect_download(timeout=30_000) as started:
                page.get_by_role("button", name="Download selected").click()
            path = Path(started.value.path())
            assert cut.done.is_set()
        assert members(path) == {name: (root / "big" / name).read_bytes() for name in ("one.bin", "two.bin")}
        with urlopen(f"{served.url}/browse/big/?zip&m=two.bin&m=one.bin") as answer:
            assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(answer.read()).digest()
        served.stop()
        lines.close()
        asked = [line.split() for line in lines.lines if " /browse/big/?zip&m=one" in line]
        assert [words[4] for words in asked] == ["200", "206"]


def test_nasty_names_are_read_linked_and_saved(root: Path, served: Served, page: "Page") -> None:
    with without_trouble(page):
        page.goto(f"{served.url}/browse/nasty/")
        links = page.locator("tbody th a")
        texts = [text for text in links.all_text_contents() if text != "fold\\u000aer#/"]
        assert sorted(texts) == sorted(NASTY.values())
        for index in range(links.count()):
            href = links.nth(index).get_attribute("href") or ""
            assert href.startswith("./")
            url = links.nth(index).evaluate("link => link.href")
            assert url.startswith(f"{served.url}/browse/nasty/")
            name = unquote_to_bytes(href[2:])
            if name.endswith(b"/"):
                continue
            answer = page.request.get(url)
            assert (answer.status, answer.body()) == (200, b"bytes of " + name)
            assert page.request.get(f"{url}?view").status == 200
            saved = page.request.get(f"{url}?download=true").headers["content-disposition"]
            assert saved.startswith("attachment; filename=")
            assert saved.isascii()
        for box in page.locator("[name=m]").all():
            box.check()
        with page.expect_download() as started:
            page.get_by_role("button", name="Download selected").click()
    held = members(started.value.path())
    assert len(held) == len(NASTY) + 1
    assert sorted(content for content in held.values() if content) == sorted(b"bytes of " + name for name in NASTY)


SAVED = {"evil\u202egpj.exe": "evil_gpj.exe", "a#b?c%41.txt": "a#b_c%41.txt", "javascript:alert(1).txt": None}


@pytest.mark.parametrize("name", SAVED)
def test_a_nasty_name_is_saved_as_a_tame_one(name: str, served: Served, page: "Page") -> None:
    page.goto(f"{served.url}/browse/nasty/{quote_from_bytes(name.encode())}?view")
    with page.expect_download() as started:
        page.locator("a[download]").click()
    wanted = SAVED[name] or started.value.suggested_filename
    assert started.value.suggested_filename == wanted
    assert not set(wanted) & set("/\\:\u202e\n")
    assert Path(started.value.path()).read_bytes() == b"bytes of " + name.encode()


RUN = "<script>alert(1)</script><img src=x onerror=alert(1)><svg onload=alert(1)>"
HOSTILE = {
    "x.html": RUN,
    "x.svg": f"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(1)</script></svg>{RUN}",
    "x.xml": f"<x xmlns:h='http://www.w3.org/1999/xhtml'><h:script>alert(1)</h:script>{RUN}</x>",
    "x.md": f"# {RUN}\n[x](javascript:alert(1)) ![]({RUN})",
    "x.csv": f'"{RUN}",=1+1\n</td></table>{RUN},"=cmd|\'/c calc\'!A1"\n',
    "x.json": '{"a": "</pre><script>alert(1)</script>"}',
    "x.vtt": f"WEBVTT\n\n00:00.000 --> 00:20.000\n{RUN}\n",
    "x.mp4": RUN,
    "x.pdf": "%PDF-1.4\n1 0 obj<</Type/Catalog/OpenAction<</S/JavaScript/JS(app.alert\\(1\\))>>>>endobj\n",
    "x.jpg": RUN,
    "readme.txt": f"</pre>{RUN}",
    "<img src=x onerror=alert(1)>.txt": RUN,
    "x.txt": f"</pre>{RUN}",
}


def test_what_is_hostile_runs_nothing(tmp_path: Path, page: "Page") -> None:
    for name, content in HOSTILE.items():
        write(tmp_path / "data" / name, content)
    with serving(tmp_path / "data", "--browse-title", f"{RUN.replace('/', '')[:60]}") as served:
        base = f"{served.url}/browse/"
        with without_trouble(page):
            for path in ("", f"?q={RUN}", f"?q={RUN}&page=7"):
                page.goto(base + path)
            for name in HOSTILE:
                page.goto(f"{base}{quote_from_bytes(name.encode())}?view")
        said = dialogs(page)
        for path in ("x.html", "x.svg", "x.xml", "x.txt", "x.md", f"none/{quote_from_bytes(RUN.encode())}"):
            page.goto(base + path)
        assert said == []


@pytest.mark.parametrize(
    ("locale", "zone", "date", "size"),
    [
        ("de-DE", "Asia/Kolkata", "26.11.2024, 00:38", "12,6 MB"),
        ("en-US", "America/New_York", "Nov 25, 2024, 2:08 PM", "12.6 MB"),
    ],
)
def test_dates_and_sizes_are_the_readers(
    locale: str, zone: str, date: str, size: str, served: Served, context: "BrowserContext", page: "Page"
) -> None:
    session = context.new_cdp_session(page)
    session.send("Emulation.setLocaleOverride", {"locale": locale})
    session.send("Emulation.setTimezoneOverride", {"timezoneId": zone})
    page.goto(f"{served.url}/browse/big/")
    row = page.locator("tbody tr").filter(has_text="one.bin")
    assert row.locator("time").inner_text() == date
    assert row.locator("time").get_attribute("datetime") == "2024-11-25T19:08:00Z"
    assert page.locator("main > p data.size").inner_text().replace("\u00a0", " ") == size


def test_ten_thousand_files_come_a_page_at_a_time(tmp_path: Path, page: "Page") -> None:
    (tmp_path / "data").mkdir()
    for number in range(10_000):
        (tmp_path / "data" / f"file {number}.txt").touch()
    with serving(tmp_path / "data") as served:
        begun = time.perf_counter()
        page.goto(f"{served.url}/browse/")
        assert page.locator("tbody tr").count() == 1000
        assert time.perf_counter() - begun < 5
        assert page.locator("main > p").first.inner_text() == "10,000 files, 0 bytes"
        assert page.locator("nav.pages").inner_text().split("\n")[0].startswith("1 to 1,000 of 10,000")
        assert page.locator("tbody th").nth(10).inner_text() == "file 10.txt"
        page.get_by_role("link", name="Next page").click()
        assert page.locator("tbody th").first.inner_text() == "file 1000.txt"
        page.get_by_label("Find in this folder").fill("9999")
        page.keyboard.press("Enter")
        page.wait_for_url("**/?q=9999")
        assert page.locator("tbody th").all_inner_texts() == ["file 9999.txt"]


def ticked(page: "Page") -> list[str]:
    found: list[str] = page.locator("[name=m]").evaluate_all("boxes => boxes.filter(b => b.checked).map(b => b.value)")
    return found


def test_the_keyboard_is_enough(served: Served, page: "Page") -> None:
    page.goto(f"{served.url}/browse/tick/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the list"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "all"
    page.keyboard.press("Space")
    assert len(ticked(page)) == 7
    page.keyboard.press("Space")
    assert ticked(page) == []
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("a/b")
    assert page.input_value("#q") == "a/b"
    boxes = page.locator("[name=m]")
    boxes.nth(1).click()
    boxes.nth(4).click(modifiers=["Shift"])
    assert ticked(page) == ["0.txt", "1.txt", "2.txt", "3.txt"]
    boxes.nth(2).click(modifiers=["Shift"])
    assert ticked(page) == ["0.txt"]
    boxes.nth(5).focus()
    page.keyboard.press("Space")
    assert ticked(page) == ["0.txt", "4.txt"]


def test_the_total_is_read_out_and_comes_back(served: Served, page: "Page") -> None:
    page.goto(f"{served.url}/browse/tick/")
    total = page.locator("#total")
    assert total.evaluate("element => element.computedRole ?? element.tagName") in ("status", "OUTPUT")
    page.get_by_label("Select 1.txt").check()
    page.get_by_label("Select 4.txt").check()
    assert total.inner_text() == "2 selected, 2 kB"
    page.get_by_label("Select sub/").check()
    assert total.inner_text() == "3 selected, 2 kB and a folder"
    page.get_by_role("link", name="sub/").click()
    page.wait_for_url("**/sub/")
    page.go_back()
    page.wait_for_url("**/tick/")
    assert ticked(page) == ["sub/", "1.txt", "4.txt"]
    assert page.locator("#total").inner_text() == "3 selected, 2 kB and a folder"
    assert page.locator("#all").evaluate("box => box.indeterminate") is True


def test_a_thousand_names_go_through_nginx(tmp_path: Path, page: "Page") -> None:
    names = [f"{uuid.UUID(int=n * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)}" for n in range(1, 2001)]
    for name in names:
        write(tmp_path / "data" / name, name)
    with behind_nginx(tmp_path / "n", tmp_path / "data", "--browse") as site:
        page.goto(f"{site.url}/browse/?limit=10000")
        page.evaluate(
            "names => document.querySelectorAll('[name=m]').forEach(b => { b.checked = names.includes(b.value) })",
            names[:1000],
        )
        with page.expect_download(timeout=60_000) as started:
            page.get_by_role("button", name="Download selected").click()
        held = members(started.value.path())
        assert held == {name: name.encode() for name in names[:1000]}
        assert page.locator(".copy input").input_value() == f"{site.url}/browse/?zip"


def test_a_film_is_sought_in_and_its_words_are_seen(served: Served, page: "Page") -> None:
    ranges: list[str] = []
    page.on("request", lambda request: ranges.append(request.headers.get("range", "")))
    with without_trouble(page):
        page.goto(f"{served.url}/browse/kinds/film.mp4?view")
        video = page.locator("video")
        video.evaluate("video => { video.muted = true; return video.play() }")
        until(lambda: video.evaluate("video => video.currentTime > 0"))
        sought = """video => new Promise(done => {
            video.addEventListener('seeked', () => done(video.currentTime / video.duration), { once: true });
            video.addEventListener('error', () => done(-1), { once: true });
            video.currentTime = 0.8 * video.duration;
        })"""
        assert video.evaluate(sought) == pytest.approx(0.8, abs=0.01)
        covered = """video => [...Array(video.buffered.length).keys()].some(index =>
            video.buffered.start(index) <= video.currentTime && video.currentTime <= video.buffered.end(index))"""
        assert video.evaluate(covered) is True
        until(lambda: video.evaluate("video => video.textTracks[0].activeCues?.length == 1"))
        track = video.evaluate(
            "v => [v.textTracks[0].mode, v.textTracks[0].language, v.textTracks[0].activeCues[0].text]"
        )
        assert track == ["showing", "en", "Hello, café 1,5"]
        until(lambda: video.evaluate("video => localStorage.length > 0 && video.currentTime > 16.2"))
        video.evaluate("video => video.pause()")
        page.reload()
        page.get_by_role("button", name="Continue at 0:16").click()
        until(lambda: video.evaluate("video => video.currentTime > 16"))
    assert any(value.startswith("bytes=") for value in ranges)


def test_a_pdf_is_shown_in_its_page(served: Served, page: "Page") -> None:
    with without_trouble(page):
        with page.expect_response("**/report.pdf") as answered:
            page.goto(f"{served.url}/browse/kinds/report.pdf?view")
        assert answered.value.status == 200
        assert answered.value.headers["content-type"] == "application/pdf"
        frame = page.frames[1]
        frame.wait_for_load_state()
        assert frame.url.endswith("/browse/kinds/report.pdf")
        assert frame.evaluate("document.contentType") == "application/pdf" or frame.url.endswith(".pdf")


def test_neighbours_are_a_click_away(served: Served, page: "Page") -> None:
    page.goto(f"{served.url}/browse/kinds/?q=.txt")
    page.get_by_role("button", name="View notes.txt").click()
    page.wait_for_url("**/kinds/notes.txt?view=")
    assert page.inner_text("#content pre").strip() == (SAMPLES / "notes.txt").read_text().strip()
    page.get_by_role("link", name="Next: ").click()
    page.wait_for_url("**/kinds/page.html?view")
    page.get_by_role("link", name="Previous: ").click()
    page.wait_for_url("**/kinds/notes.txt?view")
    with page.expect_download() as started:
        page.get_by_role("link", name="Download").click()
    assert started.value.suggested_filename == "notes.txt"
    command = page.get_by_label("wget")
    command.click()
    assert page.evaluate("getSelection().toString()") in (command.input_value(), "")
    line = command.input_value()
    assert line == f"wget -c {served.url}/browse/kinds/notes.txt"


def by_wget(url: str, target: Path) -> None:
    require("wget")
    command = [
        "wget",
        "-q",
        "-r",
        "-np",
        "-nH",
        "--cut-dirs=1",
        "-P",
        str(target),
        "--reject",
        "index.html*",
        f"{url}/",
    ]
    assert subprocess.run(command, timeout=120).returncode == 0
    for path in target.rglob("*.tmp"):
        path.unlink()


def by_rclone(url: str, target: Path) -> None:
    require("rclone")
    command = ["rclone", "--config", os.devnull, "copy", f"--http-url={url}/", ":http:", str(target)]
    assert subprocess.run(command, timeout=120, stdin=subprocess.DEVNULL).returncode == 0


@pytest.mark.parametrize("fetch", [by_wget, by_rclone])
@pytest.mark.parametrize("folder", ["tick", "kinds", "many"])
def test_programs_that_read_the_page_get_the_directory(
    folder: str, fetch: Callable[[str, Path], None], root: Path, served: Served, tmp_path: Path
) -> None:
    if fetch is by_rclone and folder == "many":
        pytest.skip("rclone reads one page; `limit=10000` is for that")
    wanted = {
        str(path.relative_to(root / folder)): path.read_bytes() for path in (root / folder).rglob("*") if path.is_file()
    }
    fetch(f"{served.url}/browse/{folder}", tmp_path / "got")
    base = tmp_path / "got" / folder if fetch is by_wget else tmp_path / "got"
    assert {str(path.relative_to(base)): path.read_bytes() for path in base.rglob("*") if path.is_file()} == wanted


def test_what_is_printed_to_be_copied_fetches_the_file(
    root: Path, served: Served, page: "Page", tmp_path: Path
) -> None:
    require("curl", "wget", "aria2c")
    for name in (b"a#b?c%41.txt", b"caf\xe9.txt", b"'onmouseover='alert(1)'.txt"):
        page.goto(f"{served.url}/browse/nasty/{quote_from_bytes(name)}?view")
        for tool in ("curl", "wget", "aria2"):
            line = page.get_by_label(tool).input_value()
            here = tmp_path / f"{tool}-{len(name)}"
            here.mkdir()
            assert subprocess.run(["bash", "-c", line], cwd=here, capture_output=True, timeout=30).returncode == 0, line
            (got,) = here.iterdir()
            assert got.read_bytes() == b"bytes of " + name
