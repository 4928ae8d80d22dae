"""What a person sees of one directory: its files and directories, by name."""

import os
import re
import stat
import threading
from collections.abc import Sequence
from typing import NamedTuple

from asgi_downloads.storage.errors import NotFound, OutsideRoot, from_oserror
from asgi_downloads.storage.files.hidden import NOTHING, Hidden
from asgi_downloads.storage.files.private import NOTHING_PRIVATE, Private
from asgi_downloads.storage.files.tree import DIRECTORY_FLAGS, Directory, decode
from asgi_downloads.storage.jobs import Stopped

UNKNOWN_NS = -(1 << 63) - 1
"""In the place of the mtime of a folder that has none: below what any file can have."""

_DIGITS = re.compile("([0-9]+)")
_WIDEST = 24


class Entry(NamedTuple):
    """A file or a directory, whose name ends in "/". Entries sort as people read them: in any case, digits by value."""

    key: str
    name: str
    size: int
    """Bytes; 0 for a directory."""
    mtime_ns: int

    @property
    def is_directory(self) -> bool:
        return self.name.endswith("/")


def entries_blocking(
    directory: Directory,
    at: str = "",
    *,
    hidden: Hidden = NOTHING,
    private: Private = NOTHING_PRIVATE,
    stop: threading.Event | None = None,
) -> list[Entry]:
    """The entries of the directory `at` a path beneath `directory`, which is empty or ends in "/".

    Directories come first, each kind in order. A link is what it leads to beneath `directory`; what leads
    out, is of another kind, `hidden` or `private` is not there.
    Raises `NotFound` for what is no directory, `OutsideRoot`, `Exhausted`, `Unavailable`, and `Stopped` when told to
    stop.
    """
    stop = stop or threading.Event()
    files: list[Entry] = []
    directories: list[Entry] = []
    fd = directory.descriptor_blocking(at or ".", DIRECTORY_FLAGS)
    try:
        if private.hides_file(fd, os.fstat(fd)):
            raise NotFound
        found = {name: there for there in os.listdir(fd) if not hidden.hides(name := decode(there))}
        for key, (name, there) in zip(sort_keys(list(found)), found.items(), strict=True):
            if stop.is_set():
                raise Stopped
            try:
                status = os.stat(there, dir_fd=fd, follow_symlinks=False)
                if stat.S_ISLNK(status.st_mode):
                    status = _follow(directory, at + name, private)
            except (FileNotFoundError, NotFound, OutsideRoot):  # removed meanwhile, or a link that leads nowhere
                continue
            if private.hides(status):
                continue
            if stat.S_ISREG(status.st_mode):
                files.append(Entry(key, name, status.st_size, status.st_mtime_ns))
            elif stat.S_ISDIR(status.st_mode):
                directories.append(Entry(key, f"{name}/", 0, status.st_mtime_ns))
    except OSError as error:
        raise from_oserror(error) from error
    finally:
        os.close(fd)
    return sorted(directories) + sorted(files)


def _follow(directory: Directory, path: str, private: Private) -> os.stat_result:
    fd = directory.descriptor_blocking(path, os.O_PATH | os.O_CLOEXEC)
    try:
        status = os.fstat(fd)
        if private.hides_file(fd, status):
            raise NotFound
        return status
    finally:
        os.close(fd)


def sort_keys(names: Sequence[str]) -> list[str]:
    """What names are sorted by: digits are padded, so that they count by their value."""
    parts = _DIGITS.split("/".join(names).casefold())  # all at once: a call for each name would cost the most of a page
    parts[1::2] = [digits.rjust(_WIDEST, "0") for digits in parts[1::2]]
    return "".join(parts).split("/") if names else []
