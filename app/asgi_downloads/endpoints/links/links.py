"""`/s/{token}/{path}`: what a link grants, while it lasts, and to its end for who has begun before that."""

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from asgi_downloads.asgi.answer import NO_STORE, send_redirect
from asgi_downloads.asgi.exchange import Exchange, route_path
from asgi_downloads.asgi.types import ASGIApp, Message, Receive, Scope, Send
from asgi_downloads.endpoints.browse.browse import Browse, send_message, takes_pages
from asgi_downloads.endpoints.browse.spot import Mounts
from asgi_downloads.endpoints.browse.words import encoded
from asgi_downloads.endpoints.links import password
from asgi_downloads.endpoints.links.keys import LinkKeys
from asgi_downloads.endpoints.links.token import NEVER, NO_ZIP, PASSWORD, SAVE, Link, parse
from asgi_downloads.http.errors import HTTPError
from asgi_downloads.http.headers import combined
from asgi_downloads.http.message import Header, Headers
from asgi_downloads.http.validators import is_entity_tag
from asgi_downloads.responses.delivery import Delivery
from asgi_downloads.responses.kept import KEPT
from asgi_downloads.storage.files.hidden import Hidden

MOST_AGE = 3600
"""Seconds that a browser may keep an answer without asking, if its link lasts so long."""
_BASIC: Header = (b"www-authenticate", b'Basic realm="link", charset="UTF-8"')
_FORM_BELOW: Header = (b"www-authenticate", b'Form realm="link"')
"""To a browser that goes to a page, as its Upgrade-Insecure-Requests says: at "Basic" it would show a window of its
own, which asks for a user too, and never the form. RFC 9110 §15.5.2 wants some challenge with every 401."""
_ALWAYS: tuple[Header, ...] = ((b"referrer-policy", b"no-referrer"), (b"x-robots-tag", b"noindex"))
_DEPTH = 2
"""Segments of the path up to what is granted."""

_FORM = """<form method="post">
<p><label for="password">Password</label></p>
<p><input id="password" name="password" type="password" required autocomplete="current-password">
<button>Open</button></p>
</form>"""


@dataclass(frozen=True, slots=True)
class Only(Hidden):
    """The rule that one name of a folder is there, and no other; the folder itself has none."""

    name: str = ""

    def hides(self, name: str) -> bool:
        return name != self.name

    def hides_any(self, path: str) -> bool:
        return path not in ("", self.name)


class Expired(HTTPError):
    """The link's end has come (RFC 9110 §15.5.11)."""

    def __init__(self, link: Link) -> None:
        moment = datetime.fromtimestamp(min(link.expires, 253_402_300_799), UTC)
        super().__init__(410, f"This link ended on {moment:%Y-%m-%d at %H:%M:%S} UTC", (NO_STORE,))


@dataclass(frozen=True, slots=True)
class Links:
    """An ASGI callable that serves what is signed for, of `page`, whose mounts are all that a link can grant.

    A link serves who continues for `grace` seconds beyond its end; without an end it is none, unless `forever`.
    `clock` gives seconds since the epoch.
    """

    page: Browse
    keys: LinkKeys
    grace: float
    forever: bool = False
    clock: Callable[[], float] = time.time
    passwords: password.Passwords = field(default_factory=password.Passwords)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        token, slash, rest = route_path(scope).removeprefix("/").partition("/")
        try:
            link = await self._granted(exchange, token, rest)
            if link is None:
                return
            left = link.expires - self.clock() if link.expires != NEVER else float(MOST_AGE)
            if left <= 0 and not (-left < self.grace and _continues(exchange.headers)):
                raise Expired(link)
            if not slash:
                await send_redirect(exchange, 308, f"./{token}/".encode(), *_ALWAYS)
                return
            within = {**scope, "root_path": f"{scope.get('root_path', '')}/{token}"}
            within.pop(KEPT, None)  # an answer that is kept would outlast the link
            await self._endpoint(link, rest)(within, receive, _governed(send, link, left, exchange.headers))
        except HTTPError as error:
            await _refuse(exchange, error)

    async def _granted(self, exchange: Exchange, token: str, rest: str) -> Link | None:
        """What a token grants to this client; None if it was answered. Raises `HTTPError` 404, 401 and 429."""
        found = parse(token)
        if found is None or hashlib.sha256(token.encode()).hexdigest() in self.keys.revoked:
            raise HTTPError(404)
        link, mac = found
        key = self.keys.keys.get(link.kid)
        if key is None or (link.expires == NEVER and not self.forever):
            raise HTTPError(404)
        if PASSWORD not in link.flags:
            if not hmac.compare_digest(mac, link.mac(key)):
                raise HTTPError(404)
            return link
        if password.has_cookie(exchange, link, mac, key):
            return link
        given, is_form = password.of_basic(exchange), False
        if given is None and exchange.method == "POST":
            given, is_form = password.of_form(await exchange.content(password.MOST_FORM)), True
        if given is not None:
            attempt = partial(self.passwords.is_right, exchange, link, mac, key, given)
            if await exchange.while_connected(attempt):
                if not is_form:
                    return link
                path = f"{exchange.scope.get('root_path', '')}/{token}/"
                line = password.cookie(exchange, link, mac, key, path)
                await send_redirect(exchange, 303, f"./{encoded(rest)}".encode(), line, NO_STORE, *_ALWAYS)
                return None
        navigates = combined(exchange.headers, b"upgrade-insecure-requests") is not None
        challenge = _FORM_BELOW if navigates else _BASIC
        raise HTTPError(401, "This link has a password" if given is None else "Wrong password", (challenge, NO_STORE))

    def _endpoint(self, link: Link, rest: str) -> ASGIApp:
        """The page of what is granted, and of nothing else; raises `HTTPError` 404."""
        path = link.prefix.decode("utf-8", "surrogateescape")
        above, _, name = path.rpartition("/")
        if {"", ".", ".."} & set(path.removesuffix("/").split("/")) and path:
            raise HTTPError(404)
        if not link.is_folder and rest != name:
            raise HTTPError(404)
        spot = self.page.mounts.find(path if link.is_folder else f"{above}/" if above else "")
        places = dict(spot.below) if link.is_folder else {}
        if spot.files is not None:
            tree = spot.files.tree.below(spot.path) if spot.path else spot.files.tree
            hidden = spot.files.hidden
            if not link.is_folder:
                if hidden.hides(name):
                    raise HTTPError(404)
                hidden = Only((), name)
            places[""] = replace(
                spot.files, tree=tree, hidden=hidden, delivery=_relocated(spot.files.delivery, spot.path)
            )
        return replace(
            self.page,
            mounts=Mounts(places),
            title=above.rpartition("/")[2] or self.page.title,
            archive=None if NO_ZIP in link.flags or not link.is_folder else self.page.archive,
            saving=SAVE in link.flags,
            depth=_DEPTH,
            alone=not link.is_folder,
        )


def _relocated(delivery: Delivery, path: str) -> Delivery:
    """For names that begin at a path below: nginx still counts from where it has the tree."""
    return replace(delivery, accel_prefix=delivery.accel_prefix + path) if delivery.accel_prefix else delivery


def _continues(headers: Headers) -> bool:
    """Whether the request goes on with something of which it has a part: RFC 9110 §13.1.5, or a check of one (§13.1.2).

    So do browsers when they resume, and when they seek in a film.
    """
    condition = combined(headers, b"if-range") or combined(headers, b"if-none-match") or b""
    return combined(headers, b"range") is not None and is_entity_tag(condition) and not condition.startswith(b"W/")


def _governed(send: Send, link: Link, left: float, headers: Headers) -> Send:
    """The `send` for what is behind a link, which lasts for `left` seconds.

    After its end only what proves to be a continuation goes out: the tag that was given is the current one.
    """
    age = f"private, max-age={int(min(left, MOST_AGE))}" if left > 0 else "private, no-cache"
    proofs = {206} if combined(headers, b"if-range") is not None else {304}

    async def governed(message: Message) -> None:
        if message["type"] == "http.response.start":
            if left <= 0 and message["status"] not in proofs:
                raise Expired(link)
            lines = [line for line in message["headers"] if line[0] != b"cache-control"]
            message = {**message, "headers": [*lines, (b"cache-control", age.encode()), *_ALWAYS]}
        await send(message)

    return governed


async def _refuse(exchange: Exchange, error: HTTPError) -> None:
    """To a person what they can do about it, to a program the error."""
    if error.status not in (401, 410, 429) or not takes_pages(exchange):
        raise error
    title, content = str(error.detail), _FORM if error.status == 401 else "<p>Ask for a new one.</p>"
    if error.status == 429:
        content = "<p>Try again in a minute.</p>"
    depth = exchange.scope["path"].removeprefix(exchange.scope.get("root_path", "")).count("/") + _DEPTH - 2
    await send_message(exchange, error, depth, title, content, *_ALWAYS)
