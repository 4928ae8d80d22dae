"""The head of a response: what gets into it and what cannot."""

import time
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_downloads.server.http1 import response_head
from asgi_downloads.server.http1.response_head import field_lines


def test_lines_are_name_colon_value() -> None:
    headers = [(b"a", b"1"), (b"b-c", b""), (b"a", b"2 \t\xe4")]
    assert field_lines(headers, dict(headers)) == b"a: 1\r\nb-c: \r\na: 2 \t\xe4\r\n"


def test_no_lines() -> None:
    assert field_lines([], {}) == b""


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\n", b"A", b"\xe4", b"a\0"])
def test_a_name_that_is_no_token_is_refused(name: bytes) -> None:
    with pytest.raises(RuntimeError, match="name"):
        field_lines([(b"x", b"y"), (name, b"value")], {b"x": b"y", name: b"value"})


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.binary(max_size=8)), min_size=1, max_size=80))
def test_no_value_adds_or_hides_a_line(headers: list[tuple[bytes, bytes]]) -> None:
    controls = {*range(9), *range(10, 32), 127}
    try:
        lines = field_lines(headers, dict(headers))
    except RuntimeError:
        assert any(controls & set(value) for _, value in headers)
    else:
        assert not any(controls & set(value) for _, value in headers)
        assert lines.split(b"\r\n") == [*[name + b": " + value for name, value in headers], b""]


def test_status_lines() -> None:
    assert response_head.STATUS_LINES[206] == b"HTTP/1.1 206 Partial Content\r\n"
    assert response_head.STATUS_LINES[599] == b"HTTP/1.1 599 \r\n"
    assert 199 not in response_head.STATUS_LINES


def test_names_are_brought_to_lower_case() -> None:
    assert response_head.lower([[b"X-Y", b"Z"], (b"A", b"b")]) == [(b"x-y", b"Z"), (b"a", b"b")]


def test_the_date_is_that_of_this_very_second(monkeypatch: pytest.MonkeyPatch) -> None:
    for now in (1700000000.999, 1700000001.0, 1700000000.5):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        line = response_head.date_line()
        assert line.startswith(b"date: ")
        assert line.endswith(b" GMT\r\n")
        assert parsedate_to_datetime(line[6:-2].decode()).timestamp() == int(now)


def test_a_head_sent_again_is_encoded_once_and_a_changed_one_anew() -> None:
    headers = [(b"a", b"1"), (b"b", b"2")]
    first = response_head.encode(headers)
    assert response_head.encode(list(headers)) is first
    headers.append((b"c", b"3"))
    assert response_head.encode(headers) == (b"a: 1\r\nb: 2\r\nc: 3\r\n", {b"a": b"1", b"b": b"2", b"c": b"3"})
    assert first == (b"a: 1\r\nb: 2\r\n", {b"a": b"1", b"b": b"2"})


def test_the_heads_remembered_are_bounded_in_number_and_length() -> None:
    for number in range(response_head._KNOWN_HEADS_LIMIT + 10):
        response_head.encode([(b"n", b"%d" % number)])
    assert len(response_head._known_heads) == response_head._KNOWN_HEADS_LIMIT
    long = [(b"n", b"x" * response_head._LONGEST_KNOWN_HEAD)]
    assert response_head.encode(long)[0] == b"n: " + long[0][1] + b"\r\n"
    assert tuple(long) not in response_head._known_heads
