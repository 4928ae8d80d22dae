"""Names of archive members: safe to unpack on Windows, macOS and Linux, and no two that a disk of theirs takes for one.

Pure. Names are told apart within a directory; a path is the names joined by "/".
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

NAME_LIMIT = 255
"""Bytes of a name on Linux and macOS; on Windows it is as many UTF-16 units, which are never more."""

_PLAIN = re.compile(r"[0-9A-Za-z_\-][0-9A-Za-z_\- .]{0,199}(?<![ .])")
"""Names that need no mapping, unless they are a device's."""

_HARMFUL = re.compile(r"[\x00-\x1f\x7f-\x9f/\\:*?\"<>|]")
"""What Windows cannot have: controls, separators of either kind, the colon of a drive or of an alternate stream, and
what its patterns and redirections are written with."""

_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|CLOCK\$|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³])[ ]*(?=\.|$)", re.IGNORECASE)
"""What Windows takes for a device, with any extension."""

_INVALID_BYTE = re.compile("[\udc80-\udcff]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def safe_name(name: str) -> str:
    """One path component for an archive, in NFC; `name` is as a `Listing` has it.

    A byte that is not UTF-8 becomes %XX, as a URL would have it; what some system cannot have becomes "_"; what is too
    long loses the end of its stem.
    """
    if _PLAIN.fullmatch(name) and not _DEVICE.match(name):
        return name
    name = _INVALID_BYTE.sub(lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", name)
    name = _LONE_SURROGATE.sub("\ufffd", name)
    name = unicodedata.normalize("NFC", name)  # macOS gives NFD, which other systems show with loose accents
    name = _HARMFUL.sub("_", name)
    kept = name.rstrip(" .")  # Windows drops dots and spaces at the end: ".. " would be the parent
    name = kept + "_" * (len(name) - len(kept))
    name = _DEVICE.sub(lambda device: f"{device[0]}_", name, count=1) if _DEVICE.match(name) else name
    return _fitting(name) or "_"


def _fitting(name: str, number: str = "") -> str:
    """The name with `number` before its extension, the stem cut where both together are too long."""
    stem, extension = _split(name)
    if len(extension.encode()) > NAME_LIMIT // 2:
        stem, extension = name, ""
    room = NAME_LIMIT - len((number + extension).encode())
    if len(stem.encode()) > room:
        stem = stem.encode()[:room].decode(errors="ignore").rstrip(" .")
    return stem + number + extension


def archive_paths(paths: Sequence[str]) -> list[str]:
    """A path in the archive for each of the paths of files, "/" between the names, and of directories, "/" at the end.

    The names in each directory are told apart in the order in which they first appear, a file's from a directory's too,
    and those of files that come twice.
    """
    if not any("/" in path for path in paths):
        return unique_names(paths)
    children: dict[str, dict[str, str]] = {}  # of each directory, by what no two of them share
    places: list[tuple[str, str]] = []
    seen = Counter[str]()
    for path in paths:
        *parents, name = path.split("/")
        above = ""
        for parent in parents:
            children.setdefault(above, {})[f"{parent}/"] = ""
            above += f"{parent}/"
        if name:
            name += "//" * seen[path]
            seen[path] += 1
            children.setdefault(above, {})[name] = ""
        places.append((above, name))
    renamed = {"": ""}
    for above, names in children.items():  # a directory comes after the one that it is in
        for name, unique in zip(names, unique_names([name.rstrip("/") for name in names]), strict=True):
            names[name] = unique
            if name.endswith("/"):
                renamed[above + name] = f"{renamed[above]}{unique}/"
    return [renamed[above] + children[above][name] if name else renamed[above] for above, name in places]


def unique_names(names: Sequence[str]) -> list[str]:
    """A safe name for each of the names of one directory, in their order, no two alike.

    Of names that collide the first in order keeps its own; the others get " (2)", " (3)" and so on before
    the extension, passing over what is taken. The same names in the same order always give the same result.
    """
    mapped = [safe_name(name) for name in names]
    taken: set[str] = set()
    late: list[int] = []
    for index, name in enumerate(mapped):
        key = _collision_key(name)
        if key in taken:
            late.append(index)
        else:
            taken.add(key)
    counters: dict[str, int] = {}
    for index in late:
        mapped[index] = _numbered(mapped[index], taken, counters)
    return mapped


def _numbered(name: str, taken: set[str], counters: dict[str, int]) -> str:
    number = counters.get(_collision_key(name), 1)
    while True:
        number += 1
        candidate = _fitting(name, f" ({number})")
        key = _collision_key(candidate)
        if key not in taken:
            taken.add(key)
            counters[_collision_key(name)] = number
            return candidate


def _split(name: str) -> tuple[str, str]:
    dot = name.rfind(".")
    return (name[:dot], name[dot:]) if dot > 0 else (name, "")


def _collision_key(name: str) -> str:
    """Equal for names that a disk which ignores case or normal form takes for one."""
    if name.isascii():
        return name.lower()
    # Unicode §3.13, D145: canonical caseless match.
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())
