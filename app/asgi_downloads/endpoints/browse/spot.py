"""Where a URL of the page leads: into one directory, or to where others are mounted."""

import stat
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from asgi_downloads.http.errors import HTTPError
from asgi_downloads.responses.file import tree_at
from asgi_downloads.responses.files import FilesEndpoint
from asgi_downloads.storage.anywhere import AnyDirectory
from asgi_downloads.storage.errors import FileChanged, NotFound, OutsideRoot
from asgi_downloads.storage.files.contents import Contents, Joined
from asgi_downloads.storage.files.entries import Entry, sort_keys
from asgi_downloads.storage.objects.bucket import Bucket
from asgi_downloads.storage.objects.contents import chosen_at, entries_at_blocking, folder_at


@dataclass(frozen=True, slots=True)
class Spot:
    """A path of one directory, if there is one here, and what is mounted below it, by its path from here."""

    files: FilesEndpoint | None
    path: str
    below: Mapping[str, FilesEndpoint]

    def hold(self) -> "Held":
        """What is here now, for a thread to read and to close; raises `NotFound`."""
        mounted = self._mounted()
        try:
            own = None if self.files is None else self.files.tree.directory().duplicate()
        except NotFound:
            if not mounted:
                raise
            own = None
        return Held(self, own, mounted)

    def contents(self, names: list[str] | None = None) -> Contents:
        """What an archive of this folder holds: all of it, or the files and folders of these names.

        Raises `NotFound`.
        """
        mounted = [prefix for prefix in self._mounted() if names is None or _top(prefix) in names]
        tops = set(map(_top, mounted))
        own = None if names is None else tuple(name for name in names if name not in tops)
        parts: list[tuple[str, Contents]] = []
        if self.files is None:
            if own:
                raise NotFound(own[0])
        elif not mounted or own or (own is None and self._is_there(self.files)):
            directory, hidden, private = self.files.tree.directory(), self.files.hidden, self.files.delivery.private
            if own is None:
                parts.append(("", folder_at(directory, self.path, recursive=True, hide=hidden, private=private)))
            else:
                parts.append(("", chosen_at(directory, own, self.path, hidden, private)))
            if not mounted:
                return parts[0][1]
        for prefix in mounted:
            files = self.below[prefix]
            directory, private = files.tree.directory(), files.delivery.private
            parts.append((prefix, folder_at(directory, recursive=True, hide=files.hidden, private=private)))
        if any(isinstance(part.directory, Bucket) for _, part in parts):
            raise HTTPError(501, "An archive cannot join a store and other directories")
        return Joined(tree_at("/").directory(), tuple(parts))

    def _is_there(self, files: FilesEndpoint) -> bool:
        try:
            directory = files.tree.directory()
            return isinstance(directory, Bucket) or stat.S_ISDIR(directory.status_blocking(self.path or ".").st_mode)
        except (NotFound, OutsideRoot):
            return False

    def _mounted(self) -> dict[str, AnyDirectory]:
        """The directories below that are there now, by their path from here."""
        found = {}
        for prefix, files in self.below.items():
            try:
                found[prefix] = files.tree.directory()
            except NotFound:
                continue
        return found


@dataclass(frozen=True, slots=True)
class Held:
    """What a spot has, open."""

    spot: Spot
    directory: AnyDirectory | None
    mounted: Mapping[str, AnyDirectory]

    def entries_blocking(self, stop: threading.Event) -> list[Entry]:
        """Folders, then files, each kind in order; raises as the function of that name."""
        times: dict[str, int] = {}
        for prefix, directory in self.mounted.items():
            name = _top(prefix)
            times[name] = max(times.get(name, 0), directory.modified_ns())
        keys = sort_keys([name.removesuffix("/") for name in times])
        found = [Entry(key, name, 0, times[name]) for key, name in zip(keys, times, strict=True)]
        files = self.spot.files
        if files is None or self.directory is None:
            return sorted(found)
        try:
            own = entries_at_blocking(self.directory, self.spot.path, files.hidden, files.delivery.private, stop)
        except NotFound:
            if not found:
                raise
            return sorted(found)
        if not found:
            return own
        own = [entry for entry in own if entry.name not in times]
        return sorted([*found, *own], key=lambda entry: (not entry.is_directory, entry))

    def read_blocking(self, name: str, most: int) -> bytes | None:
        """The beginning of a file of this folder; None if it cannot be had."""
        files = self.spot.files
        if files is None or self.directory is None:
            return None
        try:
            if isinstance(self.directory, Bucket):
                return self.directory.read_blocking(self.spot.path + name, most)
            with self.directory.open_blocking(self.spot.path + name) as file:
                if files.delivery.private.hides_file(file.fd, file.stat):
                    return None
                return file.read_blocking(0, min(file.size, most))
        except (NotFound, OutsideRoot, FileChanged):
            return None

    def close(self) -> None:
        """Give the directory back."""
        if self.directory is not None:
            self.directory.close()


@dataclass(frozen=True, slots=True)
class Mounts:
    """Directories by the path at which they are seen, which is empty or ends in "/"."""

    places: Mapping[str, FilesEndpoint]

    def find(self, path: str) -> Spot:
        """Where a path leads; raises `HTTPError` 404 for what is hidden, and for what nobody has mounted."""
        prefix = max((prefix for prefix in self.places if path.startswith(prefix)), key=len, default=None)
        below = {}
        if not path or path.endswith("/"):
            size = len(path)
            below = {
                other[size:]: files for other, files in self.places.items() if other.startswith(path) and other != path
            }
        if prefix is None:
            if not below:
                raise HTTPError(404)
            return Spot(None, "", below)
        files, inner = self.places[prefix], path[len(prefix) :]
        if files.hidden.hides_any(inner):
            raise HTTPError(404)
        return Spot(files, inner, below)

    def is_folder(self, path: str) -> bool:
        """Whether something is mounted at a path or below it."""
        return any(prefix.startswith(path) for prefix in self.places)


def _top(path: str) -> str:
    """The folder that a path begins with."""
    return f"{path.partition('/')[0]}/"
