"""What a browser that has seen a file shows after it was replaced."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.browser import browser
from tests.support.nginx import behind_nginx
from tests.support.serving import serving

pytestmark = pytest.mark.slow

YEAR = 365 * 86400


def write(path: Path, text: str) -> None:
    """By rename, and as old as browsers like best: a tenth of its age would be fresh (RFC 9111 §4.2.2)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(text)
    os.utime(new, (time.time() - YEAR, time.time() - YEAR))
    new.replace(path)


def shows_what_is_there(url: str, path: Path, profile: Path) -> None:
    for start in range(2):  # the second time with what the first has left in its cache
        with browser(profile) as context:
            for number in range(2):
                write(path, f"version {start}.{number}")
                page = context.new_page()
                page.goto(url)
                assert page.inner_text("body") == f"version {start}.{number}"
                page.close()


def embedded_follows(url: str, path: Path, profile: Path) -> None:
    """What a page asks for is kept more eagerly than the page."""
    with browser(profile) as context:
        for number in range(3):
            write(path, f"body {{ --version: {number} }}")
            page = context.new_page()
            page.goto(url.rpartition("/")[0] + "/other.txt")
            shown = page.evaluate(
                """async url => {
                const answer = await fetch(url);
                return await answer.text();
            }""",
                url,
            )
            assert shown == f"body {{ --version: {number} }}"
            page.close()


WAYS: list[Callable[[str, Path, Path], None]] = [shows_what_is_there, embedded_follows]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("place", ["direct", "nginx", "offloaded"])
def test_a_file_replaced_by_rename_is_shown_at_once(
    way: Callable[[str, Path, Path], None], place: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    path = data / "files" / "x.txt"
    write(path, "first")
    write(data / "files" / "other.txt", "another page of ours")
    if place == "direct":
        with serving("--data-dir", data) as served:
            way(f"{served.url}/file/x.txt", path, tmp_path / "profile")
        return
    offload = ("--accel-prefix", "/_files/") if place == "offloaded" else ()
    with behind_nginx(tmp_path / "n", data, *offload) as site:
        way(f"{site.url}/file/x.txt", path, tmp_path / "profile")
