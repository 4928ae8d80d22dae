"""Units for systemd, from the same settings as `serve`: the service, and the socket that it is handed."""

import math
import re
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from asgi_downloads.server.deploy.template import fill
from asgi_downloads.server.errors import StartError
from asgi_downloads.server.process.listen import BACKLOG
from asgi_downloads.service.directories import stores
from asgi_downloads.service.setting import Setting
from asgi_downloads.service.settings import TABLE, Settings

STATE_DIR = "/var/lib/asgi-downloads"
"""systemd makes it for us, and it is all that the service may write to."""

MEMORY = 512
"""MiB that a process may come to: twice what 1,000 clients that take nothing may cost on any URL."""

TASKS = 128
"""Threads and makers of reports that a process may come to; its pools add up to half of it."""

_OF_THE_SOCKET = ("host", "port", "uds")


def service_unit(settings: Settings, given: Collection[str]) -> str:
    """The text of the service's unit; `given` are the settings that somebody chose. Raises `StartError`."""
    root = Path(__file__).parents[3]
    writable = [getattr(settings, name) for name in ("state_dir", "temp_dir") if name in given]
    account = "AWS_SECRET_ACCESS_KEY" if stores(settings) else ""
    return fill(
        "systemd.service",
        {
            "command": f"{_quoted(sys.executable)} -m asgi_downloads serve",
            # From a checkout, `-m asgi_downloads` is found in the directory it is run in; installed, everywhere.
            "directory": "" if root.name == "site-packages" else _escaped(str(root)),
            "workers": settings.workers > 1,
            "environment": "\n".join(_environment(settings, given)),
            "secret": next(
                (each.variable for each in TABLE if each.name in given and _is_secret(each, settings)), account
            ),
            "graceful_timeout": f"{settings.graceful_timeout:g}",
            "stop_timeout": math.ceil(settings.drain_delay + settings.graceful_timeout) + 10,
            "memory": MEMORY * (settings.workers + 1),
            "tasks": TASKS * (settings.workers + 1),
            "writable": " ".join(_quoted(str(path.absolute())) for path in writable if path),
        },
    )


def socket_unit(settings: Settings) -> str:
    """The text of the socket's unit; raises `StartError`."""
    if settings.uds is None and not settings.port:
        raise StartError("systemd has to know the port: choose one with --port, or a Unix socket with --uds")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"{host}:{settings.port}" if settings.uds is None else str(settings.uds.absolute())
    return fill("systemd.socket", {"address": _escaped(address), "backlog": BACKLOG, "unix": settings.uds is not None})


def _environment(settings: Settings, given: Collection[str]) -> Iterator[str]:
    values = {each.name: getattr(settings, each.name) for each in TABLE if each.name in given}
    values = {"data_dir": settings.data_dir, "state_dir": Path(STATE_DIR), **values}
    if "database_url" in values and settings.database_file is not None:
        values["database_url"] = f"sqlite:///{settings.database_file.absolute()}"
    for each in TABLE:
        if each.name in values and each.name not in _OF_THE_SOCKET and not _is_secret(each, settings):
            value = values[each.name]
            text = each.kind.show(value.absolute() if isinstance(value, Path) else value)
            yield f"Environment={_quoted(f'{each.variable}={text}')}"


def _is_secret(each: Setting, settings: Settings) -> bool:
    text = each.kind.show(getattr(settings, each.name))
    return each.kind.redact(text) != text


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", _escaped(text)) + '"'


def _escaped(text: str) -> str:
    """systemd.unit(5): `%` begins a specifier. Raises `StartError` for what would end the line, or is not UTF-8."""
    if re.search("[\0-\x1f\x7f\ud800-\udfff]", text):
        raise StartError(f"{text!r} cannot be written in a unit of systemd")
    return text.replace("%", "%%")
