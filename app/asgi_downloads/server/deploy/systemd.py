"""Units for systemd, from the same settings as `serve`: the service, and the socket that it is handed."""

import math
import re
import sys
from collections.abc import Collection
from pathlib import Path

from asgi_downloads.server.deploy.template import render
from asgi_downloads.server.errors import StartError
from asgi_downloads.server.process.listen import BACKLOG
from asgi_downloads.service.settings import TABLE, Entry, Settings

STATE_DIR = "/var/lib/asgi-downloads"
"""systemd makes it for us, and it is all that the service may write to."""

_OF_THE_SOCKET = ("host", "port", "uds")


def service_unit(settings: Settings, given: Collection[str]) -> str:
    """The text of the service's unit; `given` are the settings that somebody chose. Raises `StartError`."""
    root = Path(__file__).parents[3]
    secret = [entry for entry in TABLE if entry.name in given and _is_secret(entry, settings)]
    return render(
        "systemd.service",
        {
            "command": f"{_escaped(sys.executable)} -m asgi_downloads serve",
            # From a checkout, `-m asgi_downloads` is found in the directory it is run in; installed, everywhere.
            "directory": "" if root.name == "site-packages" else _escaped(str(root)),
            "workers": settings.workers > 1,
            "environment": "\n".join(_environment(settings, given)),
            "secret": secret[0].variable if secret else "",
            "graceful_timeout": f"{settings.graceful_timeout:g}",
            "stop_timeout": math.ceil(settings.drain_delay + settings.graceful_timeout) + 10,
        },
    )


def socket_unit(settings: Settings) -> str:
    """The text of the socket's unit; raises `StartError`."""
    if settings.uds is None and not settings.port:
        raise StartError("systemd has to know the port: choose one with --port, or a Unix socket with --uds")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"{host}:{settings.port}" if settings.uds is None else str(settings.uds.absolute())
    return render(
        "systemd.socket", {"address": _escaped(address), "backlog": BACKLOG, "unix": settings.uds is not None}
    )


def _environment(settings: Settings, given: Collection[str]) -> list[str]:
    chosen = {entry.name: entry.kind.show(getattr(settings, entry.name)) for entry in TABLE if entry.name in given}
    chosen["data_dir"] = str(settings.data_dir.absolute())
    chosen.setdefault("state_dir", STATE_DIR)
    for entry in TABLE:
        value = getattr(settings, entry.name)
        if entry.name in chosen and isinstance(value, Path) and entry.name != "state_dir":
            chosen[entry.name] = str(value.absolute())
    if "database_url" in given and settings.database_file is not None:
        chosen["database_url"] = f"sqlite:///{settings.database_file.absolute()}"
    return [
        f"Environment={_quoted(f'{entry.variable}={chosen[entry.name]}')}"
        for entry in TABLE
        if entry.name in chosen and entry.name not in _OF_THE_SOCKET and not _is_secret(entry, settings)
    ]


def _is_secret(entry: Entry, settings: Settings) -> bool:
    text = entry.kind.show(getattr(settings, entry.name))
    return entry.kind.redact(text) != text


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", _escaped(text)) + '"'


def _escaped(text: str) -> str:
    """systemd.unit(5): `%` begins a specifier. Raises `StartError` for what would end the line."""
    if re.search("[\0-\x1f\x7f]", text):
        raise StartError(f"{text!r} cannot be written in a unit of systemd")
    return text.replace("%", "%%")
