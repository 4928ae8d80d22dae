"""Is the answer right? Every byte is compared before anything is timed; what is wrong is an error, never a figure."""

import csv
import gzip
import http.client
import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any, Protocol

from bench import data

_BLOCK = 1 << 20


class WrongAnswer(Exception):
    """The target did not answer as it must; the text says in what."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: always GET, on HTTP/1.1."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def raw(self, host: str, *, close: bool = False) -> bytes:
        lines = [
            f"GET {self.path} HTTP/1.1",
            f"Host: {host}",
            *(f"{name}: {text}" for name, text in self.headers.items()),
        ]
        if close:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


class _Arriving(io.RawIOBase):
    """A response's content while it comes, counted. What breaks it is a WrongAnswer."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        try:
            count = self._response.readinto(buffer)
        except (OSError, http.client.HTTPException) as error:
            raise WrongAnswer(f"the content broke off: {error!r}") from error
        self.count += count
        return count


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; `body` is read once, from front to end."""

    status: int
    headers: Mapping[str, str]
    body: IO[bytes]


class Content(Protocol):
    """What is right. `check` raises WrongAnswer."""

    def check(self, answer: Answer, root: Path) -> None: ...


@contextmanager
def fetching(
    host: str, port: int, request: Request, *, timeout: float = 120
) -> Iterator[tuple[Answer, Callable[[], int]]]:
    """Ask once. Gives the answer and a function that reads what is left and returns the length of it all.

    That function raises WrongAnswer when the content is shorter than announced; no answer at all is one, too.
    """
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    with closing(connection):
        try:
            connection.putrequest("GET", request.path, skip_accept_encoding=True)
            for name, text in request.headers.items():
                connection.putheader(name, text)
            connection.endheaders()
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise WrongAnswer(f"GET {request.path} failed: {error!r}") from error
        announced = response.length  # None when chunked, or up to the end of the connection
        arriving = _Arriving(response)
        body = io.BufferedReader(arriving, _BLOCK)

        def finish() -> int:
            while body.read(_BLOCK):
                pass
            if announced is not None and arriving.count != announced:
                raise WrongAnswer(f"GET {request.path}: {arriving.count} bytes came, {announced} were announced")
            return arriving.count

        headers = {name.lower(): text for name, text in response.getheaders()}
        yield Answer(response.status, headers, body), finish


def verify(host: str, port: int, request: Request, content: Content, root: Path) -> int:
    """Fetch and check against the files below `root`; the length of the content, in bytes."""
    with fetching(host, port, request) as (answer, finish):
        content.check(answer, root)
        if answer.body.read(1):
            raise WrongAnswer(f"GET {request.path}: the content is longer than is right")
        return finish()


def _status(answer: Answer, expected: int) -> None:
    if answer.status != expected:
        raise WrongAnswer(f"status {answer.status}, not {expected}: {answer.body.read(60)!r}")


def _same(body: IO[bytes], expected: IO[bytes], length: int) -> None:
    """`length` bytes of both are alike; the first difference is named."""
    done = 0
    while done < length:
        want = expected.read(min(_BLOCK, length - done))
        have = body.read(len(want))
        if have != want or not want:
            pairs = enumerate(zip(have, want, strict=False))
            wrong = next((place for place, (a, b) in pairs if a != b), None)
            if wrong is None:
                raise WrongAnswer(f"the content ends at byte {done + len(have)} of {length}")
            raise WrongAnswer(f"the content differs from the file at byte {done + wrong}")
        done += len(want)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """The file's bytes, or with `span` (start, stop) that part of them as a 206."""

    name: str
    span: tuple[int, int] | None = None

    def check(self, answer: Answer, root: Path) -> None:
        path = root / self.name
        size = path.stat().st_size
        start, stop = self.span or (0, size)
        _status(answer, 206 if self.span else 200)
        if self.span and answer.headers.get("content-range") != f"bytes {start}-{stop - 1}/{size}":
            raise WrongAnswer(f"Content-Range is {answer.headers.get('content-range')!r}")
        with open(path, "rb") as file:
            file.seek(start)
            _same(answer.body, file, stop - start)


@dataclass(frozen=True, slots=True)
class Parts:
    """A multipart/byteranges answer with exactly these (start, stop) parts of the file, in order."""

    name: str
    spans: tuple[tuple[int, int], ...]

    def check(self, answer: Answer, root: Path) -> None:
        _status(answer, 206)
        found = re.fullmatch(r'multipart/byteranges; *boundary="?([^"]+)"?', answer.headers.get("content-type", ""))
        if not found:
            raise WrongAnswer(f"Content-Type is {answer.headers.get('content-type')!r}")
        body = answer.body.read()
        mark = b"--" + found[1].encode()
        seen = []
        place = body.find(mark)
        while not body.startswith(mark + b"--", place):
            head_end = body.find(b"\r\n\r\n", place) + 4
            span = re.search(rb"(?i)content-range: *bytes (\d+)-(\d+)/(\d+)", body[place:head_end])
            if head_end < 4 or not span:
                raise WrongAnswer("a part without Content-Range")
            start, stop = int(span[1]), int(span[2]) + 1
            part = body[head_end : head_end + stop - start]
            if part != _read(root / self.name, start, stop):
                raise WrongAnswer(f"part {start}-{stop - 1} differs from the file")
            seen.append((start, stop))
            place = head_end + len(part) + 2
            if not body.startswith(mark, place):
                raise WrongAnswer(f"no boundary after part {start}-{stop - 1}")
        if tuple(seen) != self.spans:
            raise WrongAnswer(f"parts {seen} came, {self.spans} were asked")


def _read(path: Path, start: int, stop: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(start)
        return file.read(stop - start)


@dataclass(frozen=True, slots=True)
class NotModified:
    """304 and not a byte of content."""

    def check(self, answer: Answer, root: Path) -> None:
        _status(answer, 304)
        if answer.body.read(1):
            raise WrongAnswer("a 304 with content")


@dataclass(frozen=True, slots=True)
class Archive:
    """A ZIP of the folder: its files by name, each with its bytes and a right CRC."""

    folder: str

    def check(self, answer: Answer, root: Path) -> None:
        _status(answer, 200)
        with tempfile.TemporaryFile() as whole:  # a ZIP is read from its end
            shutil.copyfileobj(answer.body, whole, _BLOCK)
            self.check_file(whole, root)

    def check_file(self, body: IO[bytes], root: Path) -> None:
        files = {path.name: path for path in (root / self.folder).iterdir()}
        try:
            with zipfile.ZipFile(body) as archive:
                names = archive.namelist()
                if sorted(names) != sorted(files):
                    raise WrongAnswer(f"{len(names)} members, or other names than the folder's {len(files)} files")
                for name in names:
                    with archive.open(name) as member, open(files[name], "rb") as file:
                        _same(member, file, files[name].stat().st_size)
                        if member.read(1):
                            raise WrongAnswer(f"member {name} is longer than its file")
        except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
            raise WrongAnswer(f"not a readable ZIP: {error}") from error


@dataclass(frozen=True, slots=True)
class ArchiveSpan:
    """Bytes [start, stop) of the archive that the target itself sends whole."""

    folder: str
    start: int
    stop: int

    def of(self, whole: IO[bytes]) -> "Bytes":
        whole.seek(self.start)
        return Bytes(whole.read(self.stop - self.start))

    def check(self, answer: Answer, root: Path) -> None:
        raise TypeError("a span of an archive is checked against the archive: of(whole).check(...)")


@dataclass(frozen=True, slots=True)
class Bytes:
    """Part of a whole that is known otherwise, as a 206."""

    expected: bytes

    def check(self, answer: Answer, root: Path) -> None:
        _status(answer, 206)
        _same(answer.body, io.BytesIO(self.expected), len(self.expected))


@dataclass(frozen=True, slots=True)
class Users:
    """The users table as CSV: header line and every row, by a CSV reader's reading."""

    rows: int
    compressed: bool = False

    def check(self, answer: Answer, root: Path) -> None:
        _status(answer, 200)
        coding = answer.headers.get("content-encoding")
        if coding != ("gzip" if self.compressed else None):
            raise WrongAnswer(f"Content-Encoding is {coding!r}")
        self.check_file(answer.body)

    def check_file(self, body: IO[bytes]) -> None:
        plain = gzip.GzipFile(fileobj=body) if self.compressed else body
        text = io.TextIOWrapper(plain, "utf-8", newline="")
        try:
            compare_rows(csv.reader(text, strict=True), data.csv_lines(self.rows))
            text.detach()  # or the body is closed with it
        except (OSError, EOFError, csv.Error, UnicodeDecodeError) as error:
            raise WrongAnswer(f"not readable as CSV: {error}") from error


def compare_rows(have: Iterator[Sequence[str]], want: Iterator[Sequence[str]]) -> None:
    """Both alike, to the last line; a date's `T` and a space between date and time are the same."""
    for number, (a, b) in enumerate(zip_longest(have, want)):
        if a != b and (a is None or b is None or [*a[:3], *(t.replace("T", " ") for t in a[3:])] != list(b)):
            raise WrongAnswer(f"line {number} is {a}, not {b}")


@dataclass(frozen=True, slots=True)
class Report:
    """A whole PDF, made for this request; its bytes may differ from one to the next."""

    def check(self, answer: Answer, root: Path) -> None:
        _status(answer, 200)
        body = answer.body.read()
        if not body.startswith(b"%PDF-") or not body.rstrip().endswith(b"%%EOF"):
            raise WrongAnswer(f"not a whole PDF: {body[:20]!r} .. {body[-20:]!r}")
