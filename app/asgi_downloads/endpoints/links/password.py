"""The password of a link: asked for, compared slowly, and remembered in a cookie of the link's own."""

import base64
import binascii
import hmac
import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from http import cookies
from urllib.parse import unquote_to_bytes

from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.endpoints.links.token import Link, to_base64
from asgi_downloads.http.errors import HTTPError
from asgi_downloads.http.headers import combined
from asgi_downloads.http.message import Header
from asgi_downloads.storage.jobs import Jobs

COOKIE = "downloads_link"
MOST_FORM = 8 << 10
"""Bytes of a form with a password."""
TRIES, WINDOW = 5, 60.0
"""Wrong passwords that an address may try, in so many seconds."""
_REMEMBERED = 10_000


class Passwords:
    """Who may try, and who has been right. `clock` gives seconds that only rise."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._jobs = Jobs("passwords", threads=1, most=64)  # each takes a core for a while, and 16 MiB
        self._tries: OrderedDict[str, deque[float]] = OrderedDict()
        self._right: OrderedDict[bytes, None] = OrderedDict()

    async def is_right(self, exchange: Exchange, link: Link, mac: bytes, key: bytes, password: bytes) -> bool:
        """Whether this is the link's password; raises `HTTPError` 429 after too many that were not, and `Busy`."""
        known = hmac.digest(key, mac + password, "sha256")
        if known in self._right:
            self._right.move_to_end(known)
            return True
        tries = self._begun(_network(exchange))
        now = self._clock()
        tries.append(now)  # before it is known to be wrong: many at once would be one try else
        derived = await self._jobs.run((mac, password), lambda: lambda stop: link.key_with(key, password))
        if not hmac.compare_digest(mac, link.mac(derived)):
            return False
        tries.remove(now)
        self._right[known] = None
        if len(self._right) > _REMEMBERED:
            self._right.popitem(last=False)
        return True

    def _begun(self, network: str) -> deque[float]:
        """The tries of a network within the last minute, if it has any left."""
        tries = self._tries.setdefault(network, deque())
        self._tries.move_to_end(network)
        if len(self._tries) > _REMEMBERED:
            self._tries.popitem(last=False)
        now = self._clock()
        while tries and now - tries[0] >= WINDOW:
            tries.popleft()
        if len(tries) >= TRIES:
            seconds = int(WINDOW - (now - tries[0])) + 1
            raise HTTPError(429, "Too many wrong passwords", ((b"retry-after", b"%d" % seconds),))
        return tries


def of_form(content: bytes) -> bytes:
    """The password that a form sends; empty if it sends none."""
    fields = (field.partition(b"=") for field in content.split(b"&"))
    return next((unquote_to_bytes(value.replace(b"+", b" ")) for name, _, value in fields if name == b"password"), b"")


def of_basic(exchange: Exchange) -> bytes | None:
    """The password of an Authorization field, whatever the user is called (RFC 7617 §2); None without one."""
    scheme, _, credentials = (combined(exchange.headers, b"authorization") or b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        return None


def has_cookie(exchange: Exchange, link: Link, mac: bytes, key: bytes) -> bool:
    """Whether the client has the cookie that the right password got it."""
    jar: cookies.SimpleCookie = cookies.SimpleCookie()
    try:
        jar.load((combined(exchange.headers, b"cookie") or b"").decode("latin-1").replace(", ", "; "))
    except cookies.CookieError:
        return False
    found = jar.get(COOKIE)
    return found is not None and hmac.compare_digest(found.value.encode("latin-1"), _value(link, mac, key))


def cookie(exchange: Exchange, link: Link, mac: bytes, key: bytes, path: str) -> Header:
    """The Set-Cookie line, for the URLs below `path` alone; it ends with the browser's session."""
    secure = "; Secure" if exchange.scope.get("scheme") == "https" else ""
    value = _value(link, mac, key).decode()
    return b"set-cookie", f"{COOKIE}={value}; Path={path}; HttpOnly; SameSite=Strict{secure}".encode()


def _value(link: Link, mac: bytes, key: bytes) -> bytes:
    """What only we can make, and only for this very link; the mac is one that only the password can make."""
    return to_base64(hmac.digest(key, b"asgi-downloads cookie\n" + link.text + b"\n" + mac, "sha256")).encode()


def _network(exchange: Exchange) -> str:
    """Whose tries are counted: an address, or what one line has of IPv6 (RFC 6177)."""
    client = exchange.scope.get("client")
    if not client:
        return ""
    try:
        address = ipaddress.ip_address(client[0].partition("%")[0])
    except ValueError:
        return str(client[0])
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)
