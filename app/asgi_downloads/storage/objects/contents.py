"""What objects an archive is asked to hold: those below a prefix of a bucket."""

import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass

from asgi_downloads.storage.anywhere import AnyDirectory
from asgi_downloads.storage.errors import Busy, NotFound
from asgi_downloads.storage.files.contents import Chosen, Clock, Contents, Folder
from asgi_downloads.storage.files.entries import UNKNOWN_NS, Entry, entries_blocking, sort_keys
from asgi_downloads.storage.files.hidden import NOTHING, Hidden
from asgi_downloads.storage.files.private import NOTHING_PRIVATE, Private
from asgi_downloads.storage.files.tree import Directory
from asgi_downloads.storage.objects.bucket import Bucket, is_path
from asgi_downloads.storage.objects.listing import ObjectListing, list_blocking


@dataclass(frozen=True, slots=True)
class Prefix(Contents):
    """All objects `at` a path below those of a bucket's tree, but for those that are hidden; fields as of `Folder`."""

    directory: Bucket
    recursive: bool = False
    at: str = ""
    hide: Hidden = NOTHING

    @property
    def key(self) -> Hashable:
        return self.directory.root, self.recursive, self.at, self.hide

    def scan_blocking(self, most: int, stop: threading.Event, clock: Clock = time.time_ns) -> ObjectListing:
        """The objects as they are now. Keys that no URL can have are left out, and told by the listing.

        Raises `NotFound` when there is none, `Busy`, `Unavailable` and `Stopped`.
        """
        root = self.directory.root
        listing = ObjectListing(clock(), root)
        prefix = root.prefix + self.at
        anything = False
        for key, meta in list_blocking(self.directory.store, prefix, stop, recursive=self.recursive):
            anything = True
            path = key[len(prefix) :]
            if not path or (path.endswith("/") and not meta.size and is_path(path[:-1])):
                continue  # what some programs make to stand for a folder
            if not is_path(path):
                listing.astray.append(path)
            elif not self.hide.hides_any(path):
                listing.add_object(self.at + path, meta)
            if len(listing) > most:
                raise Busy(f"there is room for {most} more files in archives")
        if not anything:
            raise NotFound
        if self.at:
            listing.names = [path[len(self.at) :] for path in listing.paths]
        return listing


@dataclass(frozen=True, slots=True)
class ChosenObjects(Contents):
    """Some of what lies `at` a path: objects, and all below prefixes, whose names end in "/"; fields as of `Chosen`."""

    directory: Bucket
    names: tuple[str, ...]
    at: str = ""
    hide: Hidden = NOTHING

    @property
    def key(self) -> Hashable:
        return self.directory.root, self.at, self.hide, self.names

    def scan_blocking(self, most: int, stop: threading.Event, clock: Clock = time.time_ns) -> ObjectListing:
        """The objects as they are now, by one listing of all that is there; raises as of `Prefix` and `Chosen`."""
        found = Prefix(self.directory, True, self.at, self.hide).scan_blocking(most, stop, clock)
        listing = ObjectListing(found.scanned_ns, self.directory.root)
        missing = dict.fromkeys(self.names)
        for path, name, meta in zip(found.paths, found.names, found.metas, strict=True):
            above, slash, _ = name.partition("/")
            if above + slash in self.names:
                listing.add_object(path, meta)
                missing.pop(above + slash, None)
        for name in missing:
            raise NotFound(name)
        listing.astray = [path for path in found.astray if f"{path.partition('/')[0]}/" in self.names]
        listing.names = [path[len(self.at) :] for path in listing.paths]
        return listing


def folder_at(
    directory: AnyDirectory,
    at: str = "",
    *,
    recursive: bool = False,
    hide: Hidden = NOTHING,
    private: Private = NOTHING_PRIVATE,
) -> Contents:
    """All that is `at` a path beneath a directory, which is empty or ends in "/"."""
    if isinstance(directory, Bucket):
        return Prefix(directory, recursive, at, hide)
    return Folder(directory, recursive, at, hide, private)


def chosen_at(directory: AnyDirectory, names: tuple[str, ...], at: str, hide: Hidden, private: Private) -> Contents:
    """Those of all that is `at` a path beneath a directory that have these names."""
    if isinstance(directory, Bucket):
        return ChosenObjects(directory, names, at, hide)
    return Chosen(directory, names, at, hide, private)


def entries_at_blocking(
    directory: AnyDirectory, at: str, hide: Hidden, private: Private, stop: threading.Event
) -> list[Entry]:
    """What a person sees `at` a path; as `entries_blocking`, which this is on a disk."""
    if isinstance(directory, Directory):
        return entries_blocking(directory, at, hidden=hide, private=private, stop=stop)
    prefix = directory.root.prefix + at
    found = list(list_blocking(directory.store, prefix, stop, recursive=False))
    if at and not found:
        raise NotFound
    times = {
        key[len(prefix) :]: UNKNOWN_NS if key.endswith("/") else meta.modified * 1_000_000_000 for key, meta in found
    }
    sizes = {key[len(prefix) :]: meta.size for key, meta in found}
    names = [name for name in times if is_path(name.removesuffix("/")) and not hide.hides(name.removesuffix("/"))]
    keys = sort_keys([name.removesuffix("/") for name in names])
    entries = (Entry(key, name, sizes[name], times[name]) for key, name in zip(keys, names, strict=True))
    return sorted(entries, key=lambda entry: (not entry.is_directory, entry))
