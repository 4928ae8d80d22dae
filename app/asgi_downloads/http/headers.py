"""Field lines and their values (RFC 9110 §5). Names are lower case, as ASGI gives them; a line is a pair."""

from asgi_downloads.http.message import Headers

OWS = b" \t"
"""Optional white space around values and list members (RFC 9110 §5.6.3)."""


def get_all(headers: Headers, name: bytes) -> list[bytes]:
    """The values of every line called `name`, trimmed, in the order received."""
    return [value.strip(OWS) for key, value in headers if key == name]


def combined(headers: Headers, name: bytes) -> bytes | None:
    """The field value: all lines called `name`, joined by commas (RFC 9110 §5.2), or None without a line.

    A field that is no list becomes invalid by this when it is repeated, as it should.
    """
    lines = get_all(headers, name)
    return b", ".join(lines) if lines else None


def elements(value: bytes) -> list[bytes]:
    """The members of a list (RFC 9110 §5.6.1.2: empty ones are skipped), where no member holds a quoted comma."""
    return [element for part in value.split(b",") if (element := part.strip(OWS))]
