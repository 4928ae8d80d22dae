"""The reference configuration of nginx in front of the service, from the same settings as `serve`."""

import math
import re
from collections.abc import Sequence

from asgi_downloads.server.deploy.template import render
from asgi_downloads.server.errors import StartError
from asgi_downloads.service.settings import Settings

_LISTEN = re.compile(r"[0-9A-Za-z_.:*\[\]/= -]+")
_NAMES = re.compile(r"[0-9A-Za-z_.*-]+( [0-9A-Za-z_.*-]+)*")

_REQUEST_FIELDS = (
    ("Empty, or nginx would say close, and no connection would be kept.", "Connection", '""'),
    ("What nginx has checked; there even for an HTTP/1.0 client that sends none.", "Host", "$host"),
    (
        "Set, not appended to: what a client says of itself goes no further. (Behind a proxy: set_real_ip_from.)",
        "X-Forwarded-For",
        "$remote_addr",
    ),
    ("", "X-Forwarded-Proto", "$scheme"),
    ("", "X-Forwarded-Prefix", "%prefix"),
    ("", "X-Request-ID", "$asgi_downloads_request_id"),
    ("What only a proxy may say is taken out of a client's mouth.", "Forwarded", '""'),
    ("", "X-Forwarded-Host", '""'),
    ("", "X-Forwarded-Port", '""'),
    ("", "X-Real-IP", '""'),
    ("", "X-Accel-Redirect", '""'),
    ("", "X-Accel-Mapping", '""'),
    ("", "X-Sendfile-Type", '""'),
    ("", "Proxy", '""'),
)
"""Why, name, value. nginx inherits all of them or none, so they are written wherever one is."""


def nginx_config(
    settings: Settings,
    listen: Sequence[str] = ("80",),
    server_name: str = "_",
    log_file: str = "/var/log/nginx/asgi-downloads.log",
) -> str:
    """The text of a file for nginx's `http{}`. Raises `StartError` for what cannot be written there."""
    for text in listen:
        if not _LISTEN.fullmatch(text):
            raise StartError(f"{text!r} is nothing that nginx can listen on, such as 80, [::]:80 or '443 ssl'")
    if not _NAMES.fullmatch(server_name):
        raise StartError(f"{server_name!r} is not a list of host names")
    if settings.accel_prefix and settings.root_path.startswith(settings.accel_prefix.rstrip("/")):
        raise StartError(f"the prefix {settings.accel_prefix!r} for nginx's own files hides the service")
    return render(
        "nginx.conf",
        {
            "address": _upstream(settings),
            "keep_alive": f"{settings.keep_alive_timeout:g}",
            "upstream_keep_alive": max(1, math.ceil(settings.keep_alive_timeout) - 1),
            "listen": ";\n    listen ".join(listen),
            "server_name": server_name,
            "log_file": _quoted(log_file),
            "stall_timeout": max(1, math.ceil(settings.stall_timeout)),
            "read_timeout": max(60, math.ceil(settings.stall_timeout) + 1),
            "request_fields": _request_fields(settings.root_path, "    ", why=True),
            "direct_fields": _request_fields(settings.root_path, "        ", why=False),
            "prefix": _bare(settings.root_path),
            "prefix_pattern": re.escape(settings.root_path),
            "target": "$asgi_downloads_target" if settings.root_path else "",
            "first_target": "$asgi_downloads_target" if settings.root_path else "$request_uri",
            "metrics": settings.metrics,
            "max_downloads": settings.max_downloads,
            "max_downloads_per_client": settings.max_downloads_per_client,
            "accel_prefix": _bare(settings.accel_prefix),
            "data_dir": _quoted(f"{settings.data_dir.absolute()}/"),
        },
    )


def _request_fields(prefix: str, indent: str, *, why: bool) -> str:
    lines = []
    for reason, name, value in _REQUEST_FIELDS:
        if reason and why:
            lines.append(f"{indent}# {reason}")
        lines.append(f"{indent}proxy_set_header {name} {_quoted(prefix) if value == '%prefix' else value};")
    return "\n".join(lines)


def _upstream(settings: Settings) -> str:
    if settings.uds is not None:
        return _quoted(f"unix:{settings.uds.absolute()}")
    if not settings.port:
        raise StartError("nginx has to know the port: choose one with --port, or a Unix socket with --uds")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"[{host}]:{settings.port}" if ":" in host else f"{host}:{settings.port}"


def _quoted(text: str) -> str:
    """A parameter that holds any text, except for what nginx has no way to write."""
    if "$" in text or re.search("[\0-\x1f\x7f]", text):
        raise StartError(f"{text!r} cannot be written in a configuration of nginx")
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _bare(text: str) -> str:
    """A part of a parameter, which therefore cannot be quoted."""
    if not re.fullmatch("[0-9A-Za-z/._~+-]*", text):
        raise StartError(f"{text!r} cannot be written in a configuration of nginx")
    return text
