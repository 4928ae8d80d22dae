"""The judge of pages is judged: it finds a fault of each kind, and none in a page without."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.axe import violations
from tests.support.browser import browser

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width"><meta http-equiv="Content-Security-Policy"
content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<style>:root { color-scheme: light dark; %s }</style></head><body><main><h1>A page</h1>"""

PAPER = "background: light-dark(#fff, #111); color: light-dark(#111, #eee)"
TINY = "<button style='font-size: 4px; padding: 0; border: 0'>ab</button>"

PAGES = {
    "without a fault": (PAPER, "<p>Text", []),
    "a picture without a word": (PAPER, "<img src='data:,'>", ["image-alt"] * 6),
    "pale in the dark": (PAPER, "<p style='color: light-dark(#000, #333)'>Text", ["color-contrast"] * 3),
    "too wide for a telephone": (PAPER, "<div style='width: 500px'>Text</div>", ["px wide"] * 4),
    "small targets side by side": (PAPER, f"<p>{TINY}{TINY}", ["target-size"] * 12),
    "nothing to see it on": ("", "<p>Text", ["no background"] * 6),
}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Page"]:
    with browser(tmp_path_factory.mktemp("profile")) as context:
        yield context.new_page()


@pytest.mark.parametrize("name", PAGES)
def test_each_fault_is_found(page: "Page", name: str) -> None:
    style, body, wanted = PAGES[name]
    page.set_content(HEAD % style + body)
    found = violations(page)
    assert len(found) == len(wanted), found
    assert all(word in line for word, line in zip(wanted, found, strict=True)), found
