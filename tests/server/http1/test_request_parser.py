"""Both parsers, from the one table: the same bytes are the same requests, in whatever pieces they come."""

from collections import deque
from collections.abc import Iterable, Iterator

import pytest

from asgi_downloads.server.http1.h11_parser import H11Parser
from asgi_downloads.server.http1.httptools_parser import HttpToolsParser
from asgi_downloads.server.http1.request_head import Head, Refused
from asgi_downloads.server.http1.request_parser import SLICE, End, Event, RequestParser, RequestReader, Upgrade
from tests.server.http1.requests import ACCEPTED, BROKEN, GET, POST, REFUSED, TE, Case

PARSERS = [HttpToolsParser, H11Parser]
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
LIMIT = 65536

Seen = list[tuple[str, bytes, bytes] | int]


@pytest.fixture(params=PARSERS, ids=lambda parser: parser.__name__)
def parser(request: pytest.FixtureRequest) -> type[RequestParser]:
    value: type[RequestParser] = request.param
    return value


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def read(parser: type[RequestParser], data: Iterable[bytes]) -> Seen:
    """Whole requests, and the status of a refusal; what was not ended is left out."""
    events: deque[Event] = deque()
    reading = parser(events, websockets=False)
    seen: Seen = []
    for piece in data:
        reading.feed(piece)
        while events:
            event = events.popleft()
            assert not isinstance(event, Upgrade)
            if isinstance(event, Refused):
                seen.append(event.status)
            elif isinstance(event, Head):
                head, content = event, b""
            elif isinstance(event, End):
                seen.append((head.method, head.path + (b"?" + head.query if head.query else b""), content))
            else:
                content += event
    reading.close()
    return seen


def events_of(parser: type[RequestParser], data: bytes, *, websockets: bool = False) -> list[Event]:
    events: deque[Event] = deque()
    parser(events, websockets=websockets).feed(data)
    return list(events)


@pytest.mark.parametrize("case", [*REFUSED, *BROKEN, *ACCEPTED], ids=lambda case: case.id)
@pytest.mark.parametrize("size", [1, 7, 65536], ids=["bytes", "sevens", "whole"])
def test_what_arrives_is_read_alike(parser: type[RequestParser], case: Case, size: int) -> None:
    after = [("GET", b"/next", b"")] if case.persists else []
    assert read(parser, pieces(case.data + NEXT, size)) == [*case.want, *after]


def test_names_are_in_lower_case_and_values_without_white_space(parser: type[RequestParser]) -> None:
    (head, _) = events_of(parser, GET + b"X-Y:\t a\tb \r\nx-y:\r\n\r\n")
    assert isinstance(head, Head)
    assert head.headers == [(b"host", b"a"), (b"x-y", b"a\tb"), (b"x-y", b"")]
    assert (head.version, head.path, head.query) == ("1.1", b"/", b"")


def test_an_absolute_target_names_the_host(parser: type[RequestParser]) -> None:
    (head, _) = events_of(parser, b"GET HTTP://b:1/c?d HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n")
    assert isinstance(head, Head)
    assert head.headers == [(b"x", b"y"), (b"host", b"b:1")]
    assert (head.path, head.query) == (b"/c", b"d")


def test_trailers_are_not_fields_of_the_head(parser: type[RequestParser]) -> None:
    head = events_of(parser, POST + TE + b"\r\n0\r\nX: y\r\n\r\n")[0]
    assert isinstance(head, Head)
    assert b"x" not in head.fields


WEBSOCKET = GET + b"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"


@pytest.mark.parametrize("size", [1, 7, 65536], ids=["bytes", "sevens", "whole"])
def test_a_websocket_is_the_last_event(parser: type[RequestParser], size: int) -> None:
    reader = RequestReader(parser, LIMIT, websockets=True)
    for piece in pieces(NEXT + WEBSOCKET + b"\r\n" + NEXT, size):
        reader.feed(piece)
    assert [type(reader.next()) for _ in range(4)] == [Head, End, Upgrade, type(None)]


def test_a_websocket_that_sends_content_is_none(parser: type[RequestParser]) -> None:
    events = events_of(parser, WEBSOCKET + b"Content-Length: 3\r\n\r\nabc", websockets=True)
    assert [type(event) for event in events] == [Head, bytes, End]


# -- the reader


def statuses(reader: RequestReader) -> list[int]:
    found = []
    while (event := reader.next()) is not None:
        if isinstance(event, Refused):
            found.append(event.status)
    return found


LONG = [
    ("field", GET + b"X: " + b"x" * 90000, 431),
    ("first-field", b"GET / HTTP/1.1\r\nX: " + b"x" * 90000, 431),
    ("fields", GET + b"X: y\r\n" * 15000, 431),
    ("target", b"GET /" + b"x" * 90000, 414),  # RFC 9112 §3
    ("target-and-end", b"GET /" + b"x" * 90000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    ("empty-lines", b"\r\n" * 40000, 431),
    ("extension", POST + TE + b"\r\n3;" + b"x" * 90000, 431),
    ("trailers", POST + TE + b"\r\n0\r\n" + b"X: y\r\n" * 15000, 431),
]


@pytest.mark.parametrize(("data", "status"), [row[1:] for row in LONG], ids=[row[0] for row in LONG])
@pytest.mark.parametrize("size", [997, 1 << 20], ids=["pieces", "whole"])
def test_what_never_ends_is_refused_at_the_limit(
    parser: type[RequestParser], data: bytes, status: int, size: int
) -> None:
    reader = RequestReader(parser, LIMIT)
    reader.feed(NEXT)
    assert statuses(reader) == []
    for piece in pieces(data, size):
        reader.feed(piece)
    assert statuses(reader) == [status]
    reader.feed(NEXT)
    assert not reader.pending


def test_a_head_may_be_as_long_as_the_limit(parser: type[RequestParser]) -> None:
    reader = RequestReader(parser, LIMIT)
    begin = GET + b"X: "
    reader.feed(begin + b"x" * (LIMIT - len(begin) - 4) + b"\r\n\r\n" + NEXT)
    assert [type(reader.next()) for _ in range(5)] == [Head, End, Head, End, type(None)]


def test_no_more_is_parsed_than_is_asked_for(parser: type[RequestParser]) -> None:
    reader = RequestReader(parser, LIMIT)
    reader.feed(NEXT * 10_000)
    assert isinstance(reader.next(), Head)
    assert len(reader.events) < 2 * SLICE / len(NEXT)
    assert len(reader.unparsed) == len(NEXT) * 10_000 - SLICE


def test_content_is_no_head_and_has_no_limit(parser: type[RequestParser]) -> None:
    reader = RequestReader(parser, LIMIT)
    reader.feed(POST + b"Content-Length: 1000000\r\n\r\n" + b"x" * 1_000_000 + NEXT)
    sizes = []
    while (event := reader.next()) is not None:
        if isinstance(event, bytes):
            sizes.append(len(event))
    assert sum(sizes) == 1_000_000


def test_what_has_begun_is_told(parser: type[RequestParser]) -> None:
    reader = RequestReader(parser, LIMIT)
    reader.feed(NEXT[:-1])
    assert reader.next() is None
    assert reader.begun
    reader.feed(NEXT[-1:])
    assert isinstance(reader.next(), Head)
    assert not reader.begun


def test_a_refusal_from_outside_comes_after_what_was_whole(parser: type[RequestParser]) -> None:
    reader = RequestReader(parser, LIMIT)
    reader.feed(NEXT + b"GET")
    assert isinstance(reader.next(), Head)
    reader.refuse(408)
    reader.feed(NEXT)
    assert isinstance(reader.next(), End)
    assert statuses(reader) == [408]
