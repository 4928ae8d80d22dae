"""axe-core in a page that a real Chromium shows: what WCAG 2.2 AA and good practice hold against it."""

import os
from collections.abc import Iterator
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
WIDTHS = (1280, 360, 320)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def violations(page: "Page") -> list[str]:
    """What is wrong with a page that is shown, at every width and in both schemes: a line for each element.

    At each width nothing may lie beyond the edge either (WCAG 2.2 §1.4.10). The root needs a background of its own, or
    axe-core could not tell contrasts. The page's CSP may be as strict as it likes, for axe-core is run from outside.
    Skips the test where that is not installed; with CI=true it fails.
    """
    page.evaluate(f"() => {{ {_axe_core()} }}")
    return [line for scheme in SCHEMES for width in WIDTHS for line in _found(page, scheme, width)]


def _axe_core() -> str:
    try:
        return resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    except ModuleNotFoundError:
        if os.environ.get("CI") == "true":
            pytest.fail("not installed: axe-playwright-python, of which axe-core is taken", pytrace=False)
        pytest.skip("not installed: axe-playwright-python, of which axe-core is taken")


def _found(page: "Page", scheme: Literal["light", "dark"], width: int) -> Iterator[str]:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    place = f"{scheme}, {width} px: "
    shown = page.evaluate("document.documentElement.scrollWidth")
    if shown > width:
        yield f"{place}the page is {shown} px wide"
    if page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgba(0, 0, 0, 0)":
        yield f"{place}the root has no background of its own"
    found: list[dict[str, Any]] = page.evaluate(
        "async rules => (await axe.run(document, {runOnly: {type: 'tag', values: rules}})).violations", list(RULES)
    )
    for violation in found:
        for node in violation["nodes"]:
            yield f"{place}{violation['id']}: {violation['help']}: {node['html'][:200]}"
