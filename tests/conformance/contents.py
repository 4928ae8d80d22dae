"""Reads what an answer carries: archives, multipart/byteranges, the names in Content-Disposition. Strict on purpose."""

import io
import re
import zipfile
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ATTR_CHARS = re.compile(r"(?:[!#$&+.^_`|~0-9A-Za-z-]|%[0-9A-Fa-f]{2})*")


class Malformed(ValueError):
    """The content is not what its type says."""


def read_zip(data: bytes) -> dict[str, bytes]:
    """Members of an archive by name; `Malformed` wherever a strict reader would stumble.

    That is: bytes before the first header or after the end record, a directory that is not where the end record
    says, duplicate names, a wrong CRC, a name that is not ASCII and not flagged as UTF-8.
    """
    if not data.startswith(b"PK\x03\x04"):
        raise Malformed("the first local header is not at byte 0")
    end = data.rfind(b"PK\x05\x06")
    if end < 0 or end + 22 != len(data):
        raise Malformed("the end record is not the last 22 bytes")
    size, offset = (int.from_bytes(data[end + at : end + at + 4], "little") for at in (12, 16))
    if offset + size != end or data[offset : offset + 4] != b"PK\x01\x02":
        raise Malformed("the central directory is not where the end record says")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            if len({info.filename for info in members}) != len(members):
                raise Malformed("two members have one name")
            for info in members:
                if not info.filename.isascii() and not info.flag_bits & 0x800:
                    raise Malformed(f"{info.filename!r} is not flagged as UTF-8")
            return {info.filename: archive.read(info) for info in members}
    except zipfile.BadZipFile as error:
        raise Malformed(str(error)) from error


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart/byteranges answer: bytes `[start, stop)` of `size`."""

    content_type: str
    start: int
    stop: int
    size: int
    data: bytes


def read_content_range(value: str) -> tuple[int, int, int]:
    """`bytes 0-9/20` as start, stop (half-open) and size (RFC 9110 §14.4)."""
    match = re.fullmatch(r"bytes ([0-9]+)-([0-9]+)/([0-9]+)", value)
    if match is None:
        raise Malformed(f"Content-Range: {value}")
    first, last, size = map(int, match.groups())
    if not first <= last < size:
        raise Malformed(f"Content-Range out of order: {value}")
    return first, last + 1, size


def read_parts(content_type: str, body: bytes) -> list[Part]:
    """The parts in the order they came; no preamble, and nothing but one CRLF after the last (row H1)."""
    match = re.fullmatch(r"multipart/byteranges; ?boundary=(?:\"([^\"]{1,70})\"|([^\s\";,]{1,70}))", content_type)
    if match is None:
        raise Malformed(f"Content-Type: {content_type}")
    dashes = b"--" + (match[1] or match[2]).encode()
    if not body.startswith(dashes + b"\r\n"):
        raise Malformed("the content does not begin with the boundary")
    rest, parts = body[len(dashes) :], []
    while not rest.startswith(b"--"):
        head, blank, rest = rest.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        if not blank:
            raise Malformed("a part without blank line")
        fields = dict(_field(line) for line in head.split(b"\r\n"))
        if set(fields) != {"content-type", "content-range"}:
            raise Malformed(f"part fields {sorted(fields)}")
        start, stop, size = read_content_range(fields["content-range"])
        data, delimiter = rest[: stop - start], rest[stop - start :]
        if not delimiter.startswith(b"\r\n" + dashes):
            raise Malformed("a part's length is not what its Content-Range says")
        parts.append(Part(fields["content-type"], start, stop, size, data))
        rest = delimiter[2 + len(dashes) :]
    if rest not in (b"--", b"--\r\n"):
        raise Malformed("bytes after the closing delimiter")
    return parts


def _field(line: bytes) -> tuple[str, str]:
    name, colon, value = line.decode("ascii").partition(":")
    if not colon:
        raise Malformed(f"part field {line!r}")
    return name.lower(), value.strip()


@dataclass(frozen=True, slots=True)
class Disposition:
    """Content-Disposition by meaning: its type, the name a client saves under, and the ASCII fallback."""

    kind: str
    name: str | None
    fallback: str | None


def read_disposition(value: str) -> Disposition:
    """Parse by the grammar of RFC 6266 §4.1; `filename*` (RFC 8187 §3.2) wins over `filename` (§4.3)."""
    if not (value.isascii() and value.isprintable()):
        raise Malformed(f"Content-Disposition is not printable ASCII: {value!r}")
    kind = _TOKEN.match(value)
    if kind is None:
        raise Malformed(f"Content-Disposition: {value}")
    parameters: dict[str, str] = {}
    rest = value[kind.end() :]
    while rest:
        if (sign := re.match(r"[ \t]*;[ \t]*", rest)) is None:
            raise Malformed(f"Content-Disposition: {value}")
        rest = rest[sign.end() :]
        if (key := re.match(r"([!#$%&'+.^_`|~0-9A-Za-z-]+\*?)=", rest)) is None or key[1].lower() in parameters:
            raise Malformed(f"Content-Disposition: {value}")
        rest = rest[key.end() :]
        if (quoted := _QUOTED.match(rest)) is not None:
            text, rest = re.sub(r"\\(.)", r"\1", quoted[1]), rest[quoted.end() :]
        elif (token := _TOKEN.match(rest)) is not None:
            text, rest = token[0], rest[token.end() :]
        else:
            raise Malformed(f"Content-Disposition: {value}")
        parameters[key[1].lower()] = text
    fallback, extended = parameters.get("filename"), parameters.get("filename*")
    if extended is None:
        return Disposition(kind[0].lower(), fallback, fallback)
    charset, _, encoded = extended.split("'", 2)
    if charset.lower() != "utf-8" or not _ATTR_CHARS.fullmatch(encoded):
        raise Malformed(f"filename*: {extended}")
    return Disposition(kind[0].lower(), unquote_to_bytes(encoded).decode("utf-8"), fallback)
