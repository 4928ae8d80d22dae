"""Which names of a folder are ticked: as a form sends it, and as the query of a URL that browsers resume."""

import base64
import zlib
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from asgi_downloads.endpoints.browse.words import encoded
from asgi_downloads.http.errors import HTTPError

MOST_FORM = 1 << 20
"""Bytes of a form."""
MOST_PLAIN = 2000
"""Bytes of a query with plain names."""
MOST_QUERY = 32_000
"""Bytes of a query that proxies still take: nginx with the configuration that we print, and ourselves."""
_MOST_LIST = 4 << 20
_MOST_NAMES = 100_000


def ticked(form: bytes) -> list[str]:
    """The names in a form's content, whose values are percent-encoded names."""
    return [_name(unquote_to_bytes(value)) for value in _values(form, b"m")]


def plain_query(names: Iterable[str]) -> str | None:
    """The query that names what was chosen, any order giving the same; None if it would be long."""
    query = "zip" + "".join(f"&m={encoded(name)}" for name in sorted(set(names)))
    return query if len(query) <= MOST_PLAIN else None


def packed_query(names: Iterable[str], everything: Iterable[str]) -> str:
    """The shorter one of two: what was chosen, or what of everything was not.

    Raises `HTTPError` 413 for more than a URL can say.
    """
    chosen, there = set(names), set(everything)
    queries = [f"zip&s={_packed(sorted(chosen))}"]
    if chosen <= there:
        queries.append(f"zip&x={_packed(sorted(there - chosen))}")
    query = min(queries, key=len)
    if len(query) >= MOST_QUERY:
        raise HTTPError(413, "Too many names for one URL: choose fewer, or the whole folder")
    return query


def chosen_in(query: bytes) -> tuple[list[str] | None, list[str] | None]:
    """The names that a query chooses, and those that it leaves out; None where it says nothing of the kind.

    Raises `HTTPError` 422 for a list that is none.
    """
    named = [_name(value) for value in _values(query, b"m")]
    listed, left_out = ([_unpacked(key, value) for value in _values(query, key)[-1:]] for key in (b"s", b"x"))
    if named or listed:
        return sorted({*named, *(name for names in listed for name in names)}), None
    return None, left_out[0] if left_out else None


def _values(query: bytes, name: bytes) -> list[bytes]:
    fields = (field.partition(b"=") for field in query.split(b"&"))
    return [unquote_to_bytes(value.replace(b"+", b" ")) for key, _, value in fields if key == name]


def _name(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _packed(names: Iterable[str]) -> str:
    """base64url of the raw deflate of the names, joined by NUL, which no name has."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress("\0".join(names).encode("utf-8", "surrogateescape")) + packer.flush()
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def _unpacked(key: bytes, value: bytes) -> list[str]:
    unpacker = zlib.decompressobj(-15)
    try:
        packed = base64.b64decode(value + b"=" * (-len(value) % 4), b"-_", validate=True)
        names = unpacker.decompress(packed, _MOST_LIST)
        if unpacker.eof and not unpacker.unused_data and names.count(b"\0") < _MOST_NAMES:
            return [_name(name) for name in names.split(b"\0")] if names else []
    except (ValueError, zlib.error):
        pass
    problem = {"type": "value_error", "loc": ["query", key.decode()], "msg": "Value error, not a list of names"}
    raise HTTPError(422, [problem])
