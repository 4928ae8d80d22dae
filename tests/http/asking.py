"""One way to put a request to `plan` and look at the whole answer, errors included, as a client would see it."""

from dataclasses import dataclass

from asgi_downloads.http.errors import HTTPError
from asgi_downloads.http.message import ByteRange, Header, Headers, Representation
from asgi_downloads.http.plan import plan

DATA = bytes(i * 7 % 251 for i in range(1000))
ETAG = b'"v1"'
MODIFIED = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT
MODIFIED_DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"
NOW = MODIFIED + 86400
NOW_DATE = b"Mon, 07 Nov 1994 08:49:37 GMT"
FIELDS: tuple[Header, ...] = (
    (b"content-disposition", b'attachment; filename="data.bin"'),
    (b"cache-control", b"private, max-age=3600"),
    (b"vary", b"accept-encoding"),
    (b"x-report-id", b"7"),
)
FILE = Representation(len(DATA), b"application/pdf", ETAG, MODIFIED, FIELDS)
BOUNDARY = b"0123456789abcdef"


@dataclass(frozen=True)
class Answer:
    """What arrives: status, field lines, content."""

    status: int
    headers: tuple[Header, ...]
    content: bytes

    def __getitem__(self, name: bytes) -> bytes | None:
        values = [value for key, value in self.headers if key == name]
        assert len(values) < 2, f"{name!r} is there {len(values)} times"
        return values[0] if values else None

    @property
    def names(self) -> list[bytes]:
        return [name for name, _ in self.headers]


def ask(
    method: str = "GET",
    headers: Headers = (),
    representation: Representation = FILE,
    *,
    now: int = NOW,
    ranges: bool = True,
    data: bytes = DATA,
) -> Answer:
    """The answer of `plan`, with its segments filled in from `data`."""
    try:
        planned = plan(method, headers, representation, now=now, ranges=ranges, boundary=lambda: BOUNDARY)
    except HTTPError as error:
        return Answer(error.status, error.headers, error.body())
    content = b"".join(
        data[segment.start : segment.stop] if isinstance(segment, ByteRange) else segment
        for segment in planned.segments
    )
    return Answer(planned.status, tuple(planned.headers), content)
