"""Pages for people: HTML, CSS and JavaScript as files, filled in and named by what is in them."""

from functools import cache
from hashlib import blake2b
from importlib.resources import files
from string import Template

CSP = (
    b"content-security-policy",
    b"; ".join(
        [
            b"default-src 'none'",
            *(b"%b-src 'self'" % kind for kind in (b"script", b"style", b"img", b"media", b"connect")),
            b"form-action 'self'",
            b"base-uri 'none'",
            b"frame-ancestors 'none'",
        ]
    ),
)
"""What holds for all of them: nothing is run, shown or asked but what comes from here."""

FRAMING = CSP[0], CSP[1] + b"; frame-src 'self'"
"""For a page that shows one of our files in a frame."""

ASSETS_URL = "/.assets"
"""Where the files are that pages use. No name that is served begins with a dot."""

_TYPES = {"css": b"text/css; charset=utf-8", "js": b"text/javascript; charset=utf-8", "svg": b"image/svg+xml"}


@cache
def assets() -> dict[str, tuple[bytes, bytes]]:
    """Files that pages use: type and content by the name in their URL, which changes with the content."""
    return {_named(name): (_TYPES[name.rpartition(".")[2]], _read(name)) for name in _ASSETS.values()}


def fill(page: str, depth: int, title: str, *, links: str = "", **values: object) -> bytes:
    """A page as bytes, `depth` segments below where the service begins. `links` stand in its head."""
    up = "../" * depth + ASSETS_URL[1:]
    urls = {key: f"{up}/{_named(name)}" for key, name in _ASSETS.items()}
    body = _template(page).substitute(values, title=title)
    return _template("layout").substitute(urls, title=title, links=links, body=body).encode()


_ASSETS = {"style": "page.css", "script": "page.js", "icon": "icon.svg"}


@cache
def _read(name: str) -> bytes:
    return files(__name__).joinpath(name).read_bytes()


@cache
def _named(name: str) -> str:
    stem, _, ending = name.rpartition(".")
    return f"{stem}-{blake2b(_read(name), digest_size=8).hexdigest()}.{ending}"


@cache
def _template(name: str) -> Template:
    return Template(_read(f"{name}.html").decode())
