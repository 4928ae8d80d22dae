"""Pictures of the served demo's page, light and dark, for the README: `python -m tests.support.screenshots`."""

import sys
import tempfile
from pathlib import Path

from asgi_downloads import demo
from tests.support.axe import SCHEMES
from tests.support.browser import browser
from tests.support.serving import serving

HERE = Path(__file__).parent / "screenshots"
SIZE = {"width": 960, "height": 548}


def take(target: Path) -> list[Path]:
    """A picture of each scheme in the directory `target`."""
    target.mkdir(exist_ok=True)
    made = []
    with tempfile.TemporaryDirectory() as place:
        demo.write_demo(Path(place) / "data")
        with (
            serving(Path(place) / "data", "--browse") as served,
            browser(Path(place) / "profile", viewport=SIZE, locale="en-GB", timezone_id="Europe/Berlin") as context,
        ):
            page = context.new_page()
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                page.goto(f"{served.url}/browse/files/")
                for name in ("photo.jpg", "picture.png", "report.pdf"):
                    page.get_by_label(f"Select {name}").check()
                made.append(target / f"page-{scheme}.png")
                page.screenshot(path=made[-1], animations="disabled", caret="hide")
    return made


if __name__ == "__main__":
    for path in take(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE):
        sys.stdout.write(f"{path}\n")
