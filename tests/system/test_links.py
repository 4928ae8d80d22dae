"""Links on the served process: made by everybody's tools, rotated under load, resumed by a browser after their end."""

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from asgi_downloads import sign_link
from asgi_downloads.endpoints.links.keys import add_key, read_keys
from tests.support.axe import violations
from tests.support.browser import browser
from tests.support.cutting import cutting
from tests.support.fetch import fetch
from tests.support.nginx import behind_nginx, get, raw
from tests.support.serving import ROOT, Served, environment, serving, until
from tests.support.tools import require
from tests.system.test_own import ATTACKS

SIZE = 16 << 20


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    (data / "holiday").mkdir(parents=True)
    (data / "holiday" / "notes.txt").write_text("notes")
    (data / "holiday" / "large.bin").write_bytes(os.urandom(SIZE))
    return data


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    add_key(path)
    return path


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "asgi_downloads", *map(str, arguments)]
    return subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=30)


# -- making them


def test_what_is_signed_is_served(data: Path, keys: Path) -> None:
    with serving(data, "--link-keys-file", keys) as served:
        flags = ("--data-dir", data, "--link-keys-file", keys)
        for path, url in (("holiday", ""), ("holiday/", ""), ("holiday/notes.txt", "notes.txt"), (".", "")):
            made = command("sign", path, *flags, "--base", served.url + "/")
            assert made.returncode == 0, made.stderr
            assert re.fullmatch(rf"{served.url}/s/1\.\w+\.\d+\.-\.[\w-]*\.[\w-]{{43}}/{url}\n", made.stdout)
            assert fetch(made.stdout.strip()).status == 200
        bare = command("sign", "holiday", *flags, "--save", "--no-archives", "--expires", "90m").stdout
        assert bare.startswith("/s/1.")
        assert ".dz." in bare
        left = int(bare.split(".")[2]) - time.time()
        assert 5395 <= left <= 5400


REFUSED = {
    "what is not there": ("sign", "none"),
    "a file with a slash": ("sign", "holiday/notes.txt/"),
    "what is hidden": ("sign", ".state"),
    "what leads out": ("sign", "../data/holiday"),
    "longer than the longest": ("sign", "holiday", "--expires", "31d"),
    "no time": ("sign", "holiday", "--expires", "soon"),
    "without an end": ("sign", "holiday", "--expires", "never"),
    "a password that is not there": ("sign", "holiday", "--password-file", "none"),
    "a directory as a word of its own": ("sign", "holiday", "elsewhere"),
    "an unknown thing to do": ("keys", "old"),
}


@pytest.mark.parametrize("arguments", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_signed_is_one_line(arguments: tuple[str, ...], data: Path, keys: Path) -> None:
    (data / ".state").mkdir()
    said = command(*arguments, "--data-dir", data, "--link-keys-file", keys)
    assert (said.returncode, said.stdout, said.stderr.count("\n")) == (2, "", 1)


def test_links_need_a_file_of_keys_that_nobody_else_reads(data: Path, keys: Path, tmp_path: Path) -> None:
    assert command("sign", "holiday", "--data-dir", data).returncode == 2
    keys.chmod(0o644)
    for words in (("serve", data), ("sign", "holiday", "--data-dir", data), ("keys", "list")):
        said = command(*words, "--link-keys-file", keys)
        assert (said.returncode, said.stdout) == (2, "")
        assert "others may read it" in said.stderr.splitlines()[-1]


def test_the_ids_of_keys_are_listed_and_nothing_more(keys: Path) -> None:
    first = next(iter(read_keys(keys)))
    second = command("keys", "new", "--link-keys-file", keys).stdout.strip()
    assert command("keys", "list", "--link-keys-file", keys).stdout == f"{second} signs\n{first} verifies\n"


SNIPPETS = {"php": ("php", "{file}"), "javascript": ("node", "{file}"), "bash": ("bash", "-euo", "pipefail", "{file}")}


@pytest.mark.parametrize("language", SNIPPETS)
def test_what_the_readme_shows_makes_links(language: str, data: Path, keys: Path, tmp_path: Path) -> None:
    require(SNIPPETS[language][0], "openssl")
    chapter = (ROOT / "README.md").read_text().partition("## Links that expire\n")[2].partition("\n## ")[0]
    code = re.search(rf"```{language}\n(.*?)```", chapter, re.DOTALL)
    assert code is not None
    file = tmp_path / "snippet.js"
    file.write_text(code[1])
    kid, key = next(iter(read_keys(keys).items()))
    words = [word.format(file=file) for word in SNIPPETS[language]]
    environ = {**os.environ, "KID": kid, "KEY": key.hex()}
    link = subprocess.run(words, env=environ, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    with serving(data, "--link-keys-file", keys) as served:
        answer = fetch(f"{served.url}{link}notes.txt")
        assert (answer.status, answer.content) == (200, b"notes")


# -- keys that change


def test_one_process_reads_keys_anew(data: Path, keys: Path, tmp_path: Path) -> None:
    revoked = tmp_path / "revoked"
    revoked.write_text("")
    with serving(data, "--link-keys-file", keys, "--revoked-links-file", revoked) as served:
        old = served.url + sign_link("holiday/", keys_file=keys)
        add_key(keys)
        new = served.url + sign_link("holiday/", keys_file=keys)
        assert (fetch(old).status, fetch(new).status) == (200, 404)
        served.process.send_signal(signal.SIGHUP)
        until(lambda: fetch(new).status == 200)
        assert fetch(old).status == 200
        told = served.errors.count("\n")
        keys.write_text("nonsense")
        served.process.send_signal(signal.SIGHUP)
        until(lambda: "links go on with the keys that there were" in served.errors)
        assert (fetch(old).status, fetch(new).status) == (200, 200)
        assert served.errors.count("\n") == told + 1
        assert served.stop() == 0


def test_keys_are_rotated_under_load_without_a_failed_request(data: Path, keys: Path) -> None:
    with serving(data, "--link-keys-file", keys, "--workers", "2") as served:
        links = [sign_link("holiday/notes.txt", keys_file=keys)]
        stop, failed = threading.Event(), list[str]()

        def ask(served: Served) -> None:
            host = served.url.removeprefix("http://")
            while not stop.is_set():
                client = http.client.HTTPConnection(host, timeout=20)
                try:
                    client.request("GET", links[0])
                    answer = client.getresponse()
                    if (answer.status, answer.read()) != (200, b"notes"):
                        failed.append(str(answer.status))
                except (OSError, http.client.HTTPException) as error:
                    failed.append(repr(error))
                client.close()

        askers = [threading.Thread(target=ask, args=(served,)) for _ in range(3)]
        for thread in askers:
            thread.start()
        for _ in range(3):
            add_key(keys)
            links.append(sign_link("holiday/notes.txt", keys_file=keys))
            served.process.send_signal(signal.SIGHUP)
            until(lambda: all(fetch(served.url + links[-1]).status == 200 for _ in range(6)))
        stop.set()
        for thread in askers:
            thread.join()
        assert not failed
        assert served.stop() == 0


def test_no_log_has_a_token(data: Path, keys: Path, tmp_path: Path) -> None:
    with behind_nginx(tmp_path / "site", data, "--link-keys-file", str(keys), "--access-log") as site:
        link = sign_link("holiday/", keys_file=keys)
        kid, token = next(iter(read_keys(keys))), link.split("/")[2]
        for target in (link, f"{link}notes.txt", f"{link}?zip", link.replace("/s/", "/%73/"), link[:-5]):
            raw(site.port, get(target))
        with (data / "holiday" / "large.bin").open("r+b") as large:  # so that one is broken off
            large.truncate(1)
        raw(site.port, get(f"{link}large.bin"))
        until(lambda: site.access_log.count("\n") == 6)
        assert site.access_log.count(f"/s/1.{kid}...") == 5
        assert site.served.stop() == 0
        assert site.served.process.stdout is not None
        ours = site.served.process.stdout.read()
        assert ours.count(f"/s/1.{kid}...") == 6
        for log in (site.access_log, ours, site.served.errors):
            assert token[-43:-6] not in log


def test_no_path_leads_out_of_a_link(data: Path, keys: Path) -> None:
    (data / "out").write_text("outout")
    (data / "holiday" / "link").symlink_to("../out")
    attacks = ["link", *(path.removeprefix("/media/") for path in ATTACKS if path.startswith("/media/"))]
    with serving(data, "--link-keys-file", keys) as served:
        port = int(served.url.rpartition(":")[2])
        for path in ("holiday/", "holiday/notes.txt"):
            link = sign_link(path, keys_file=keys).removesuffix("notes.txt")
            for attack in attacks:
                for query in ("", "?zip"):
                    answer = raw(port, get(f"{link}{attack}{query}"))
                    assert answer.split(b" ", 2)[1] in (b"404", b"400"), attack
                    assert b"outout" not in answer


# -- in a browser


def ends_in(seconds: float) -> tuple[float, float]:
    """So many seconds from now, and when that will be: links end on whole seconds."""
    end = int(time.time() + seconds) + 1
    return end - time.time(), end


def sleep_until(moment: float) -> None:
    """The one thing that a test of time has to wait for."""
    time.sleep(max(0.0, moment - time.time()))


@pytest.mark.slow
def test_a_browser_resumes_what_it_had_begun(data: Path, keys: Path, tmp_path: Path) -> None:
    with serving(data, "--link-keys-file", keys) as served, browser(tmp_path / "profile") as context:
        port = int(served.url.rpartition(":")[2])
        seconds, end = ends_in(3)
        link = sign_link("holiday/large.bin", keys_file=keys, expires=seconds, save=True)
        with cutting(port, SIZE // 2, lambda: sleep_until(end)) as cut:
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{cut.port}/browse/")
            with page.expect_download(timeout=30_000) as started:
                page.evaluate("link => { location.href = link }", link)
            path = started.value.path()
            assert cut.done.is_set()
            assert Path(path).read_bytes() == (data / "holiday" / "large.bin").read_bytes()
            assert fetch(served.url + link).status == 410


@pytest.mark.slow
def test_a_film_is_sought_in_after_its_links_end(data: Path, keys: Path, tmp_path: Path) -> None:
    require("ffmpeg")
    film = data / "holiday" / "film.mp4"
    made = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=60"]
    made += ["-vf", "noise=alls=40:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-b:v", "4M", film]  # type: ignore[list-item]
    subprocess.run(made, check=True, timeout=120)
    with serving(data, "--link-keys-file", keys) as served, browser(tmp_path / "profile") as context:
        seconds, end = ends_in(4)
        link = served.url + sign_link("holiday/film.mp4", keys_file=keys, expires=seconds)
        page = context.new_page()
        statuses: list[int] = []
        page.on("response", lambda answer: statuses.append(answer.status) if answer.url == link else None)
        page.goto(f"{link}?view")
        page.wait_for_function("document.querySelector('video').readyState >= 2")
        sleep_until(end)
        statuses.clear()
        sought = """video => new Promise(done => {
            video.addEventListener("seeked", () => done(video.currentTime), { once: true });
            video.addEventListener("error", () => done(-1), { once: true });
            video.currentTime = 48;
        })"""
        assert page.locator("video").evaluate(sought) == pytest.approx(48, abs=0.1)
        assert 206 in statuses
        assert 410 not in statuses
        assert fetch(link).status == 410


@pytest.mark.slow
def test_a_password_is_typed_once(data: Path, keys: Path, tmp_path: Path) -> None:
    with serving(data, "--link-keys-file", keys) as served, browser(tmp_path / "profile") as context:
        asked = {"keys_file": keys, "password": "sesame"}
        link, other = (served.url + sign_link(path, **asked) for path in ("holiday/", "holiday/notes.txt"))  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(link)
        assert violations(page) == []
        page.fill("[name=password]", "simsalabim")
        page.click("button")
        assert page.inner_text("h1") == "Wrong password"
        page.fill("[name=password]", "sesame")
        page.click("button")
        assert page.url == link
        assert page.inner_text("h1") == "holiday"
        page.click("text=notes.txt")
        assert page.inner_text("body") == "notes"
        (cookie,) = context.cookies(link)
        assert cookie["path"] == link.removeprefix(served.url)
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        page.goto(other)
        assert page.inner_text("h1") == "This link has a password"


@pytest.mark.slow
def test_the_page_of_an_ended_link_is_for_everybody(data: Path, keys: Path, tmp_path: Path) -> None:
    with serving(data, "--link-keys-file", keys) as served, browser(tmp_path / "profile") as context:
        page = context.new_page()
        answer = page.goto(served.url + sign_link("holiday/", keys_file=keys, expires=-60))
        assert answer is not None
        assert answer.status == 410
        assert page.inner_text("h1").startswith("This link ended on ")
        assert violations(page) == []
