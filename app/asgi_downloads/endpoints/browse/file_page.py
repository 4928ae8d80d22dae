"""A file as a page: what is in it, the facts, its neighbours, and commands that fetch it."""

import shlex
from collections.abc import Sequence
from html import escape

from asgi_downloads import pages
from asgi_downloads.endpoints.browse import words
from asgi_downloads.endpoints.browse.folder_page import Heading
from asgi_downloads.storage.files.entries import Entry

_COMMANDS = {"curl": "curl -C - -O", "wget": "wget -c", "aria2": "aria2c -x4"}


Neighbours = tuple[str | None, str | None]
"""Names of the files before and after one."""


def neighbours(name: str, entries: Sequence[Entry]) -> Neighbours:
    """Those of the file `name`, in the order of its folder."""
    files = [entry.name for entry in entries if not entry.is_directory]
    here = files.index(name) if name in files else -1
    return files[here - 1] if here > 0 else None, files[here + 1] if 0 <= here < len(files) - 1 else None


def file_page(
    heading: Heading,
    name: str,
    beside: Neighbours,
    content: str,
    facts: Sequence[tuple[str, str]],
    size: int,
    origin: str,
) -> bytes:
    """The page of the file `name` between its neighbours.

    `content` shows it, `facts` are words and what they are of this file, both as HTML; `origin` is the folder's
    absolute URL.
    """
    near = [("prev", "Previous", beside[0]), ("next", "Next", beside[1])]
    href = words.encoded(name)
    return pages.fill(
        "file",
        heading.depth,
        title=heading.titled(name),
        name=words.visible(name),
        crumbs=heading.crumbs(name),
        links="".join(f'<link rel="{rel}" href="./{words.encoded(other)}?view">\n' for rel, _, other in near if other),
        neighbours="".join(_neighbour(*each) for each in near),
        content=content,
        href=f"./{href}?download=true",
        size=words.size_element(size),
        facts="\n".join(f"<dt>{word}</dt><dd>{fact}</dd>" for word, fact in facts),
        commands="\n".join(_command(tool, command, f"{origin}{href}") for tool, command in _COMMANDS.items()),
    )


def _neighbour(rel: str, word: str, name: str | None) -> str:
    if name is None:
        return ""
    return f'<a rel="{rel}" href="./{words.encoded(name)}?view">{word}: <bdi>{words.visible(name)}</bdi></a>'


def _command(tool: str, command: str, url: str) -> str:
    line = escape(f"{command} {shlex.quote(url)}")
    return f'<label class="copy">{tool} <input readonly value="{line}"></label>'
