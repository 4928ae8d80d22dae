"""Making links, for sites and for the command line."""

import os
import time
from datetime import timedelta
from pathlib import Path

from asgi_downloads.asgi.exchange import LINKS_URL
from asgi_downloads.endpoints.browse.words import encoded
from asgi_downloads.endpoints.links.keys import read_keys
from asgi_downloads.endpoints.links.token import NEVER, NO_ZIP, PASSWORD, SAVE, Link


def sign_link(
    path: str | bytes,
    *,
    keys_file: str | os.PathLike[str],
    expires: timedelta | float | None = timedelta(days=7),
    save: bool = False,
    zip: bool = True,  # noqa: A002 - what the flag is called everywhere
    password: str | bytes | None = None,
    base: str = "",
) -> str:
    """The URL of a link to a file, or to a folder, whose `path` ends in "/", as it stands behind `/browse/`.

    It ends after `expires`, a time or seconds from now; never with None, if the service lets such links be. With `save`
    files are only to be saved; without `zip` there are no archives; with `password` that is asked for. `base` is put in
    front, as "https://files.example". Whether anything is there is not looked at. Raises `KeysError`.

        sign_link("invoices/2026/", keys_file="/etc/asgi-downloads/link-keys", base="https://files.example")
    """
    kid, key = next(iter(read_keys(Path(keys_file)).items()))
    seconds = expires.total_seconds() if isinstance(expires, timedelta) else expires
    end = NEVER if seconds is None else int(time.time() + seconds)
    flags = "".join(flag for flag, on in ((SAVE, save), (PASSWORD, password is not None), (NO_ZIP, not zip)) if on)
    prefix = path.encode("utf-8", "surrogateescape") if isinstance(path, str) else path
    link = Link(kid, end, flags or "-", prefix)
    if password is not None:
        key = link.key_with(key, password.encode() if isinstance(password, str) else password)
    name = "" if link.is_folder else prefix.rpartition(b"/")[2].decode("utf-8", "surrogateescape")
    return f"{base.rstrip('/')}{LINKS_URL}/{link.token(key)}/{encoded(name)}"
