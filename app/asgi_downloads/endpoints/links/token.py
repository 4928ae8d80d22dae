"""A link's token: what it grants and until when, signed. No database knows of it; whoever has the key can make one."""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass

_FORM = re.compile(
    r"1\.(?P<kid>[A-Za-z0-9]{1,8})\.(?P<expires>0|[1-9][0-9]{0,14})\.(?P<flags>-|(?=[dpz])d?p?z?)"
    r"\.(?P<prefix>[A-Za-z0-9_-]*)\.(?P<mac>[A-Za-z0-9_-]{43})"
)
SAVE, PASSWORD, NO_ZIP = "d", "p", "z"
"""Flags: to be saved only; a password is asked for; no archives."""

NEVER = 0
"""As the time of its end: it has none."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a token says.

    `prefix` is the path that is granted, as it stands behind `/browse/`, as bytes: a folder's with all that is below
    it, which is empty or ends in "/", or a file's. `expires` is in seconds since the epoch.
    """

    kid: str
    expires: int
    flags: str
    prefix: bytes

    @property
    def text(self) -> bytes:
        """What is signed."""
        return f"asgi-downloads link\n1\n{self.kid}\n{self.expires}\n{self.flags}\n".encode() + self.prefix

    @property
    def is_folder(self) -> bool:
        return not self.prefix or self.prefix.endswith(b"/")

    def mac(self, key: bytes) -> bytes:
        """The 32 bytes that only the key's holder can make."""
        return hmac.digest(key, self.text, "sha256")

    def key_with(self, key: bytes, password: bytes) -> bytes:
        """The key for the mac of a link with a password. It takes some 50 ms: nobody can try many."""
        return hmac.digest(key, hashlib.scrypt(password, salt=self.text, n=1 << 14, r=8, p=1, dklen=32), "sha256")

    def token(self, key: bytes) -> str:
        """The token, a segment of a URL's path."""
        return f"1.{self.kid}.{self.expires}.{self.flags}.{to_base64(self.prefix)}.{to_base64(self.mac(key))}"


def parse(token: str) -> tuple[Link, bytes] | None:
    """What a token says, and its mac, which is still to be compared; None for what is no token."""
    match = _FORM.fullmatch(token)
    if match is None:
        return None
    prefix, mac = _from_base64(match["prefix"]), _from_base64(match["mac"])
    if prefix is None or mac is None:
        return None
    return Link(match["kid"], int(match["expires"]), match["flags"], prefix), mac


def to_base64(data: bytes) -> str:
    """base64url without padding (RFC 4648 §5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _from_base64(text: str) -> bytes | None:
    """None for a spelling that is not the one of these bytes: two tokens would be one (RFC 4648 §3.5)."""
    if len(text) % 4 == 1:
        return None
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return data if to_base64(data) == text else None
