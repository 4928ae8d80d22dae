"""The keys of links, and the links that are revoked: two files, read at the start and when the operator says so."""

import logging
import os
import re
import secrets
import stat
import string
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger("asgi_downloads")

_KEY = re.compile(r"(?P<kid>[A-Za-z0-9]{1,8}):(?P<key>(?:[0-9A-Fa-f]{2}){32,})")
_HASH = re.compile("[0-9A-Fa-f]{64}")
_ALPHABET = string.ascii_letters + string.digits


class KeysError(Exception):
    """A file of keys or of revoked links that cannot be used; the text is one line."""


class LinkKeys:
    """Keys by their id, the first of which signs, and the SHA-256 of revoked tokens. Raises `KeysError`."""

    def __init__(self, path: Path, revoked: Path | None = None) -> None:
        self._path = path
        self._revoked_path = revoked
        self._read()

    def _read(self) -> None:
        keys = read_keys(self._path)
        revoked = frozenset(_read_revoked(self._revoked_path)) if self._revoked_path else frozenset[str]()
        self.keys, self.revoked = keys, revoked  # both, or neither

    def read_anew(self) -> None:
        """Read both files again; what cannot be used is told in one line of the log, and what was known stays."""
        try:
            self._read()
        except KeysError as error:
            logger.error("links go on with the keys that there were: %s", error)


def read_keys(path: Path) -> dict[str, bytes]:
    """The keys of a file of lines KID:HEX, in order; raises `KeysError`."""
    keys: dict[str, bytes] = {}
    for number, line in _lines(path):
        match = _KEY.fullmatch(line)
        if match is None:
            raise KeysError(f"{path}: line {number} is not a key, KID:HEX with 64 hexadecimal digits or more")
        if match["kid"] in keys:
            raise KeysError(f"{path}: line {number} gives a second key the id {match['kid']!r}")
        keys[match["kid"]] = bytes.fromhex(match["key"])
    if not keys:
        raise KeysError(f"{path}: has no key: make one with 'asgi-downloads keys new'")
    return keys


def add_key(path: Path) -> str:
    """Put a fresh key before the others of a file, which need not be there yet, and return its id.

    The file is replaced: who reads it meanwhile finds the old one or the new one. Raises `KeysError`.
    """
    known = read_keys(path) if path.exists() else {}
    kid = next(kid for kid in iter(_fresh_id, "") if kid not in known)
    try:
        before = path.read_text() if known else ""
        new = path.with_name(f".{path.name}.{kid}")
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "w") as file:
            file.write(f"{kid}:{secrets.token_hex(32)}\n{before}")
            if known:
                status = path.stat()
                os.fchmod(fd, stat.S_IMODE(status.st_mode))
                os.fchown(fd, status.st_uid, status.st_gid)
            file.flush()
            os.fsync(fd)
        new.replace(path)
    except OSError as error:
        raise KeysError(f"{path}: cannot be written: {error.strerror}") from None
    return kid


def _fresh_id() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(6))


def _read_revoked(path: Path) -> Iterator[str]:
    for number, line in _lines(path, secret=False):
        if not _HASH.fullmatch(line):
            raise KeysError(f"{path}: line {number} is not the SHA-256 of a token, 64 hexadecimal digits")
        yield line.lower()


def _lines(path: Path, *, secret: bool = True) -> list[tuple[int, str]]:
    """Lines with something in them, by their number; those that begin with "#" are comments."""
    try:
        with path.open(encoding="ascii") as file:
            if secret and os.fstat(file.fileno()).st_mode & stat.S_IRWXO:
                raise KeysError(f"{path}: others may read it: chmod o= it")
            numbered = [(number, line.strip()) for number, line in enumerate(file, 1)]
    except OSError as error:
        raise KeysError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise KeysError(f"{path}: is no text") from None
    return [(number, line) for number, line in numbered if line and not line.startswith("#")]
