"""The reference configuration of nginx in front of the service, from the same settings as `serve`."""

import math
import re
from dataclasses import dataclass
from hashlib import blake2b
from ipaddress import ip_address
from pathlib import Path

from asgi_downloads.http.offload import STORE_LOCATION
from asgi_downloads.server.deploy.template import fill
from asgi_downloads.server.errors import StartError
from asgi_downloads.service.directories import stores
from asgi_downloads.service.settings import Settings

_LISTEN = re.compile(r"[0-9A-Za-z_.:*\[\]/= -]+")
_NAMES = re.compile(r"[0-9A-Za-z_.*-]+( [0-9A-Za-z_.*-]+)*")

_ERRORS = {
    "400 494": "Bad Request",
    "401": "Unauthorized",
    "403": "Forbidden",
    "404": "Not Found",
    "413": "Content Too Large",
    "414": "URI Too Long",
    "502": "Bad Gateway",
    "504": "Gateway Timeout",
}
"""nginx's codes, the first of which is what the client is told, and the detail. 503 is in the template."""


@dataclass(frozen=True, slots=True)
class Site:
    """A `server{}` of nginx. A certificate is the path of a file, and wants a `listen` with `ssl`."""

    listen: tuple[str, ...] = ("80",)
    server_name: str = "_"
    log_file: str = "/var/log/nginx/asgi-downloads.log"
    certificate: str | None = None
    certificate_key: str | None = None


def nginx_config(settings: Settings, site: Site | None = Site()) -> str:
    """The text of a file for nginx's `http{}`, or for a `server{}` without a `site` of its own.

    Raises `StartError` for what nginx cannot be told.
    """
    offloaded = _offloaded(settings)
    address = _address(settings)
    digest = blake2b(repr((address, settings.root_path, site)).encode("utf-8", "surrogateescape"), digest_size=4)
    name = f"downloads_{digest.hexdigest()}"
    target = f"${name}_target" if settings.root_path else ""
    values = {
        "name": name,
        "snippet": site is None,
        "upstream": f"http://{name}" if site else _direct(address),
        "address": address,
        "keep_alive": f"{settings.keep_alive_timeout:g}",
        "upstream_keep_alive": max(1, math.ceil(settings.keep_alive_timeout) - 1),
        "stall_timeout": max(1, math.ceil(settings.stall_timeout)),
        "read_timeout": max(60, math.ceil(settings.stall_timeout) + 1),
        "prefix": _bare(settings.root_path),
        "prefix_pattern": _escaped(re.escape(settings.root_path)),
        "target": target,
        "first_target": target or "$request_uri",
        "metrics": settings.metrics,
        # In a server{} that there is already there is no place for a zone; there the service alone counts.
        "max_downloads": min(settings.max_downloads, 65535) if site else 0,
        "max_downloads_per_client": min(settings.max_downloads_per_client, 65535) if site else 0,
        "error_pages": "\n".join(f"    error_page {codes} /.{name}/{codes[:3]};" for codes in (*_ERRORS, "503")),
        "store": settings.store_mode == "accel" and bool(stores(settings)),
        "store_location": STORE_LOCATION.decode(),
        "errors": "\n".join(
            f"""    location = /.{name}/{codes[:3]} {{ return {codes[:3]} '{{"detail":"{detail}"}}'; }}"""
            for codes, detail in _ERRORS.items()
        ),
    }
    values["accel"] = "\n\n".join(
        fill("nginx-accel.conf", {**values, "accel_prefix": _bare(prefix), "directory": _escaped(f"{path}/")})[:-1]
        for prefix, path in offloaded.items()
    )
    # nginx inherits all of proxy_set_header or none, so it is written wherever one is.
    values["proxy"] = fill("nginx-proxy.conf", {**values, "why": True}, 4)[:-1]
    values["direct_proxy"] = fill("nginx-proxy.conf", {**values, "why": False}, 4)[:-1]
    values["direct"] = bool(values["accel"] or values["store"])
    if site is None:
        return fill("nginx-locations.conf", values)
    return fill("nginx.conf", {**values, **_server(site), "locations": fill("nginx-locations.conf", values, 4)[:-1]})


def _offloaded(settings: Settings) -> dict[str, Path]:
    """What nginx sends itself: directories by the prefixes that the service names their files with."""
    found: dict[str, Path] = {}
    places = [
        (settings.accel_prefix, settings.data_dir),
        *((own.accel_prefix, own.path) for own in settings.directories),
    ]
    for prefix, path in places:
        if not prefix or not isinstance(path, Path):  # a store, for which there is no prefix
            continue
        if f"{settings.root_path}/".startswith(prefix):
            raise StartError(f"the prefix {prefix!r} for nginx's own files hides the service")
        if prefix in found:
            raise StartError(f"the prefix {prefix!r} for nginx's own files stands for two directories")
        found[prefix] = path.absolute()
    return found


def _server(site: Site) -> dict[str, object]:
    for text in site.listen:
        if not _LISTEN.fullmatch(text):
            raise StartError(f"{text!r} is nothing that nginx can listen on, such as 80, [::]:80 or '443 ssl'")
    if not _NAMES.fullmatch(site.server_name):
        raise StartError(f"{site.server_name!r} is not a list of host names")
    encrypted = ["ssl" in text.split() for text in site.listen]
    if len({any(encrypted), bool(site.certificate), bool(site.certificate_key)}) > 1:
        raise StartError("TLS needs all three: --listen '443 ssl', --certificate and --certificate-key")
    return {
        "listen": ";\n    listen ".join(site.listen),
        "server_name": site.server_name,
        "log_file": _escaped(site.log_file),
        "plain": not any(encrypted),
        "tls_alone": all(encrypted),
        "certificate": _escaped(site.certificate or ""),
        "certificate_key": _escaped(site.certificate_key or ""),
    }


def _address(settings: Settings) -> str:
    """Where the service is, as an upstream's `server` has it."""
    if settings.uds is not None:
        return _escaped(f"unix:{settings.uds.absolute()}")
    if not settings.port:
        raise StartError("nginx has to know the port: choose one with --port, or a Unix socket with --uds")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"[{_bare(host)}]:{settings.port}" if ":" in host else f"{_bare(host)}:{settings.port}"


def _direct(address: str) -> str:
    """Where the service is, for a `proxy_pass` without an upstream: nginx would look up a name for each request."""
    path = address.removeprefix("unix:")
    if path != address:
        if ":" in path:
            raise StartError(f"the name of the socket {path!r} ends at its colon in a snippet for nginx")
        return f"http://unix:{path}:"
    host = address.rpartition(":")[0]
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        raise StartError(f"a snippet for nginx needs an address, such as 127.0.0.1, and not {host!r}") from None
    return f"http://{address}"


def _escaped(text: str) -> str:
    """Any text within quotes, except for what nginx has no way to write."""
    if "$" in text or re.search("[\0-\x1f\x7f]", text):
        raise StartError(f"{text!r} cannot be written in a configuration of nginx")
    return re.sub(r'(["\\])', r"\\\1", text)


def _bare(text: str) -> str:
    """A part of a parameter without quotes."""
    if not re.fullmatch("[0-9A-Za-z/:._~+-]*", text):
        raise StartError(f"{text!r} cannot be written in a configuration of nginx")
    return text
