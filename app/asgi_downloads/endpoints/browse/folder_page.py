"""A folder as a page: what is in it, sorted and searched, with ticks."""

from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode

from asgi_downloads import pages
from asgi_downloads.endpoints.browse import words
from asgi_downloads.endpoints.browse.folder import PAGE, Folder, View, natural_order
from asgi_downloads.storage.files.entries import Entry

_COLUMNS = {"name": "Name", "size": "Size", "modified": "Modified"}


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above every page: the title of all, and the path in it, which is empty or ends in "/"."""

    title: str
    path: str
    depth: int
    """Segments from where the service begins to the page."""
    is_shown: bool = True
    """Whether the folder itself may be seen."""

    @property
    def name(self) -> str:
        return self.path[:-1].rpartition("/")[2] or self.title

    def crumbs(self, file: str | None = None) -> str:
        """Links to all folders above, in order; to this one too where a `file` of it is shown."""
        names = [self.title, *self.path.split("/")[:-1]] if self.is_shown else []
        items = []
        for above, name in zip(range(len(names) - 1, -1, -1), names, strict=True):
            here = ' aria-current="page"' if not above and file is None else ""
            items.append(f'<li><a href="./{"../" * above}"{here}><bdi>{words.visible(name)}</bdi></a></li>')
        if file is not None:
            items.append(f'<li aria-current="page"><bdi>{words.visible(file)}</bdi></li>')
        return "".join(items)

    def titled(self, name: str) -> str:
        """The title of the page of this name, within the title of all."""
        return words.visible(name if name == self.title else f"{name} - {self.title}")


def folder_page(
    heading: Heading, folder: Folder, view: View, zips: bool, origin: str, readme: tuple[str, str] | None
) -> bytes:
    """The page; `zips`: whether there are archives; `origin`: the folder's absolute URL; `readme`: name and text."""
    found = _hidden("q", view.q) if view.q else ""
    return pages.fill(
        "folder",
        heading.depth,
        title=heading.titled(heading.name),
        name=words.visible(heading.name),
        crumbs=heading.crumbs(),
        q=_attribute(view.q),
        kept=_kept(view),
        found=found,
        totals=_totals(folder, view),
        heads="".join(map(_head, _COLUMNS, [view] * len(_COLUMNS))),
        rows="\n".join(_row(entry, zips) for entry in folder.shown),
        all='<input type="checkbox" id="all" aria-label="Select all on this page" hidden>'
        if zips and folder.shown
        else "",
        pages=_pages(folder, view),
        bar=_bar(folder, view) if zips and folder.matching else "",
        address=_address(origin, view) if zips and folder.matching else "",
        readme=_readme(*readme) if readme else "",
    )


def _totals(folder: Folder, view: View) -> str:
    files, folders = folder.files, len(folder.matching) - folder.files
    parts = []
    if folders:
        parts.append(f"{words.count_element(folders)} folder{'s' * (folders != 1)}")
    if files:
        parts += [f"{words.count_element(files)} file{'s' * (files != 1)}", words.size_element(folder.bytes)]
    where = f" with “{words.visible(view.q)}” in the name" if view.q else ""
    return (", ".join(parts) or "Nothing") + where


def _head(sort: str, view: View) -> str:
    """The head of a column: a button, so that it works without a script, and crawlers leave it alone."""
    label, style = _COLUMNS[sort], {"name": "", "size": ' class="size"', "modified": ' class="date"'}[sort]
    if sort != view.sort:
        button = f'<button form="sort" name="sort" value="{sort}">{label}</button>'
        return f'<th scope="col"{style}>{button}</th>' + ("<td></td>" if sort == "name" else "")
    rises = view.order == "asc"
    button = (
        f'<button form="view" name="order" value="{"desc" if rises else "asc"}">{label} '
        f'<span aria-hidden="true">{"↑" if rises else "↓"}</span></button>'
    )
    sorted_by = f' aria-sort="{"ascending" if rises else "descending"}"'
    return f'<th scope="col"{style}{sorted_by}>{button}</th>' + ("<td></td>" if sort == "name" else "")


def _row(entry: Entry, zips: bool) -> str:
    """One entry. Its link has the name's bytes and "./" first: a name such as `javascript:x` is no other URL then."""
    name, encoded = words.visible(entry.name), words.encoded(entry.name)
    is_folder = entry.is_directory
    tick = (
        f'<input type="checkbox" name="m" value="{encoded}" data-size="{entry.size}" aria-label="Select {name}">'
        if zips
        else ""
    )
    look = (
        ""
        if is_folder
        else f'<button form="look" formaction="./{encoded}" name="view" aria-label="View {name}">View</button>'
    )
    return (
        f'<tr><td>{tick}</td><th scope="row"><a href="./{encoded}"><bdi>{name}</bdi></a></th><td>{look}</td>'
        f'<td class="size">{"folder" if is_folder else words.size_element(entry.size)}</td>'
        f'<td class="date">{words.time_element(entry.mtime_ns)}</td></tr>'
    )


def _bar(folder: Folder, view: View) -> str:
    size = f'<span class="more">, {words.size_element(folder.bytes)}</span>' if folder.bytes else ""
    label = "Download what was found" if view.q else "Download all"
    return (
        '<div class="bar"><button>Download selected<span class="more"> as ZIP</span></button>'
        f'<button form="whole" name="zip">{label}{size}</button><output id="total" form="ticks"></output></div>'
    )


def _address(origin: str, view: View) -> str:
    query = urlencode([("q", view.q)] if view.q else [])
    address = escape(f"{origin}?zip{'&' if query else ''}{query}")
    return f'<label class="copy">Address of the whole as one ZIP <input readonly value="{address}"></label>'


def _pages(folder: Folder, view: View) -> str:
    """Where this page is among all of them, and the ways to its neighbours."""
    limit = view.limit or PAGE
    if len(folder.matching) <= limit:
        return ""
    last = -(-len(folder.matching) // limit)
    ways = []
    if view.page > 1:
        ways.append(f'<a rel="prev" href="./{_query(view, min(view.page - 1, last))}">Previous page</a>')
    first, end, count = folder.first, folder.first + len(folder.shown), len(folder.matching)
    numbers = f"{words.count_element(first + 1)} to {words.count_element(end)}" if folder.shown else "None"
    ways.append(f"<span>{numbers} of {words.count_element(count)}</span>")
    if view.page < last:
        ways.append(f'<a rel="next" href="./{_query(view, view.page + 1)}">Next page</a>')
    return f'<nav aria-label="Pages" class="pages">{"".join(ways)}</nav>'


def _query(view: View, page: int) -> str:
    return escape(f"?{urlencode([*_choices(view), ('page', str(page))])}")


def _choices(view: View) -> list[tuple[str, str]]:
    """What was chosen, but for the page, in as few words as say it."""
    return [
        *([("q", view.q)] if view.q else []),
        *([("sort", view.sort)] if view.sort != "name" else []),
        *([("order", view.order)] if view.order != natural_order(view.sort) else []),
        *([("limit", str(view.limit))] if view.limit not in (None, PAGE) else []),
    ]


def _kept(view: View) -> str:
    """The choices that a search keeps, as hidden fields."""
    return "".join(_hidden(name, value) for name, value in _choices(view) if name != "q")


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{name}" value="{_attribute(value)}">'


def _attribute(value: str) -> str:
    return escape(words.text(value))


def _readme(name: str, content: str) -> str:
    return (
        f'<section aria-labelledby="readme"><h2 id="readme"><bdi>{words.visible(name)}</bdi></h2>'
        f"<pre>{escape(content)}</pre></section>"
    )
