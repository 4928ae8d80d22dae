"""Names of files and other foreign text in field values: RFC 6266 and RFC 8187. No text can leave its place."""

import re
import unicodedata
from typing import Literal
from urllib.parse import quote

Kind = Literal["attachment", "inline"]

_PLAIN = re.compile(r"[A-Za-z0-9_.\-~]+")
_UNUSABLE = re.compile(r"[\x00-\x1f\x7f-\x9f/]")  # controls, and what no file name has
_SAFE_IN_QUOTES = re.compile(r'[^\x00-\x1f\x7f-\U0010ffff"\\%/]')  # RFC 6266 appendix D: not even escaped
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_OUTER_SPACES = re.compile(r"^ +| +$")
_PRINTABLE_BUT_PERCENT = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


def content_disposition(kind: Kind, filename: str) -> bytes:
    """The Content-Disposition value that saves or shows the content as `filename`.

    A plain name goes as it is. Any other goes exact in `filename*`, with an ASCII likeness before it for clients
    that cannot read that. Control characters and slashes become `_` in both.
    """
    if _PLAIN.fullmatch(filename):
        return f'{kind}; filename="{filename}"'.encode()
    filename = _UNUSABLE.sub("_", _SURROGATE.sub("\ufffd", filename))
    return f"{kind}; filename=\"{_likeness(filename)}\"; filename*=UTF-8''{quote(filename, safe='')}".encode()


def header_value(text: str) -> bytes:
    """The text as printable ASCII (RFC 9110 §5.5); all else, and `%`, percent-encoded so that decoding gives it back.

    A space at either end is encoded too, as it would be trimmed on the way.
    """
    encoded = quote(_SURROGATE.sub("\ufffd", text), safe=_PRINTABLE_BUT_PERCENT)
    return _OUTER_SPACES.sub(lambda spaces: "%20" * len(spaces[0]), encoded).encode()


def _likeness(filename: str) -> str:
    """The name in safe ASCII: accents dropped, `_` for each character that has no likeness."""
    return "".join(map(_ascii, filename))


def _ascii(char: str) -> str:
    kept = "".join(filter(_SAFE_IN_QUOTES.match, unicodedata.normalize("NFKD", char)))
    return kept or ("" if unicodedata.combining(char) else "_")
