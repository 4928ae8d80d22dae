"""A real Chromium, driven by playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def browser(profile: Path, **options: object) -> Iterator["BrowserContext"]:
    """A browser whose cache and storage lie in `profile`: opened again with the same one, it remembers.

    `options` as of playwright's `launch_persistent_context`.
    """
    executable = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        executable = None
    if executable is None:
        if os.environ.get("CI") == "true":
            pytest.fail("not installed: chromium or playwright", pytrace=False)
        pytest.skip("not installed: chromium or playwright")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=executable,
            args=list(ARGUMENTS),
            **options,  # type: ignore[arg-type]
        )
        try:
            yield context
        finally:
            context.close()
