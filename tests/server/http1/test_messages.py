"""RFC 9112 on the wire: which requests are answered, how messages are framed, when connections end."""

import socket

import pytest

from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.server.http1.deadlines import Limits
from tests.server.http1.requests import ACCEPTED, BROKEN, REFUSED, Case
from tests.server.serving import Served, Setup


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what it was asked: method, path, query and content."""
    content = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        content += message["body"]
        more = message["more_body"]
    text = b" ".join([scope["method"].encode(), scope["path"].encode(), scope["query_string"], content])
    headers = [(b"content-length", b"%d" % len(text)), (b"x-host", dict(scope["headers"]).get(b"host", b""))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


async def unsized(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers in two parts, without a length."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"one ", "more_body": True})
    await send({"type": "http.response.body", "body": b"two"})


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.id)
def test_an_ambiguous_request_is_refused_and_the_connection_closed(setup: Setup, case: Case) -> None:
    with Served(setup, echo) as served:
        answer = served.exchange(case.data + b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n")
    assert int(answer.split(b" ")[1]) == case.want[0]
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close\r\n" in answer
    assert not served.answered


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.id)
def test_content_that_breaks_its_framing_ends_the_connection_without_an_answer(setup: Setup, case: Case) -> None:
    with Served(setup, echo) as served:
        assert served.exchange(case.data + b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n") == b""
    assert [cycle.outcome for cycle in served.answered] == ["aborted"]


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.id)
@pytest.mark.parametrize("pace", ["whole", "byte by byte"])
def test_a_valid_request_is_answered_and_the_connection_stays_in_step(setup: Setup, case: Case, pace: str) -> None:
    last = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with Served(setup, echo, ws="none") as served, served.connect() as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in [case.data] if pace == "whole" else [bytes([byte]) for byte in case.data]:
            client.send(part)
        for want in case.want:
            assert not isinstance(want, int)
            response = client.response(want[0])
            assert response.status == 200
            if want[0] != "HEAD":
                assert response.content.startswith(want[0].encode() + b" ")
                assert response.content.endswith(b" " + want[2])
        if case.persists:
            client.send(last)
            assert client.response().content == b"GET /last  "
        assert client.rest() == b""


def test_a_target_in_absolute_form_names_the_host(setup: Setup) -> None:
    with Served(setup, echo) as served, served.connect() as client:
        client.send(b"GET http://other.example:81/a%20b?c=d HTTP/1.1\r\nHost: test\r\n\r\n")
        response = client.response()
    assert response.content == b"GET /a b c=d "
    assert response["x-host"] == "other.example:81"


def test_pipelined_requests_are_answered_in_order(setup: Setup) -> None:
    count = 600
    burst = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(count))
    with Served(setup, echo) as served, served.connect() as client:
        client.send(burst)
        for number in range(count):
            assert client.response().content == b"GET /%d  " % number


def test_a_bad_request_behind_good_ones_is_refused_in_its_turn(setup: Setup) -> None:
    with Served(setup, echo) as served:
        answer = served.exchange(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n" * 2 + b"GET /3 HTTP/1.1\r\n\r\n")
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"400"]


def test_content_arrives_whole_in_either_framing(setup: Setup) -> None:
    content = bytes(range(256)) * 1200
    with Served(setup, echo) as served, served.connect() as client:
        client.send(b"POST /sized HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(content) + content)
        assert client.response().content == b"POST /sized  " + content
        chunked = b"".join(b"%x\r\n%b\r\n" % (1000, content[at : at + 1000]) for at in range(0, 307000, 1000))
        client.send(b"POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked + b"0\r\n\r\n")
        assert client.response().content == b"POST /chunked  " + content[:307000]


def test_continue_is_sent_when_the_application_reads(setup: Setup) -> None:
    with Served(setup, echo) as served, served.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert client.response().status == 100
        client.send(b"abc")
        assert client.response().content == b"POST /  abc"


def test_continue_is_not_sent_when_the_application_does_not_read(setup: Setup) -> None:
    with Served(setup, unsized) as served, served.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert client.response().status == 200


def test_unread_content_does_not_get_the_connection_out_of_step(setup: Setup) -> None:
    with Served(setup, unsized) as served, served.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n")
        assert client.response().content == b"one two"
        client.send(b"GET " * 17500 + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response().content == b"one two"


# -- versions


def test_an_http_1_0_client_gets_no_chunks(setup: Setup) -> None:
    with Served(setup, unsized) as served:
        answer = served.exchange(b"GET / HTTP/1.0\r\n\r\n")
    head, _, content = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert content == b"one two"


def test_an_http_1_0_client_may_ask_to_persist_when_the_length_is_known(setup: Setup) -> None:
    with Served(setup, echo) as served, served.connect() as client:
        for _ in range(2):
            client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert client.response()["connection"] == "keep-alive"
    with Served(setup, unsized) as served:
        answer = served.exchange(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert answer.endswith(b"\r\n\r\none two")


def test_an_http_1_1_client_gets_chunks(setup: Setup) -> None:
    with Served(setup, unsized) as served:
        response = served.get()
    assert response["transfer-encoding"] == "chunked"
    assert response.content == b"one two"


# -- ends of connections


def test_close_is_obeyed_and_echoed(setup: Setup) -> None:
    with Served(setup, echo) as served, served.connect() as client:
        client.request("/", "Connection: close")
        assert client.response()["connection"] == "close"
        assert client.rest() == b""


@pytest.mark.parametrize("more", [b"GET /2 HTTP/1.1\r\n\r\n", b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_what_follows_a_last_request_is_ignored(setup: Setup, more: bytes) -> None:
    with Served(setup, echo) as served:
        answer = served.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + more)
    assert answer.count(b"HTTP/1.1") == 1


def test_a_client_that_has_sent_everything_still_gets_its_answers(setup: Setup) -> None:
    with Served(setup, unsized) as served:
        answer = served.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3, half_close=True)
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.endswith(b"0\r\n\r\n")


def test_a_client_that_sent_half_a_request_and_no_more_is_let_go(setup: Setup) -> None:
    with Served(setup, echo) as served:
        assert served.exchange(b"GET / HTTP/1.1\r\nHo", half_close=True) == b""
        answer = served.exchange(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", half_close=True)
        assert answer == b""
    assert [cycle.outcome for cycle in served.answered] == ["aborted"]
    assert served.log == []


def test_an_idle_connection_is_closed_after_the_keep_alive_time(setup: Setup) -> None:
    with Served(setup, echo, timeout_keep_alive=1) as served, served.connect() as client:
        client.sock.settimeout(4)
        client.request()
        assert client.response().status == 200
        assert client.rest() == b""


def test_no_connection_is_answered_beyond_the_limit(setup: Setup) -> None:
    with Served(setup, echo, limit_concurrency=1) as served:
        assert served.get().status == 503


# -- limits of a head


@pytest.mark.parametrize("shape", ["one line", "many lines", "target", "never ends"])
def test_a_head_beyond_64_kib_is_refused(setup: Setup, shape: str) -> None:
    filler = {
        "one line": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70000 + b"\r\n\r\n",
        "many lines": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 12000 + b"\r\n",
        "target": b"GET /" + b"x" * 70000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        "never ends": b"GET / HTTP/1.1\r\n" + b"X-%d: y\r\n" % 7 * 500000,
    }[shape]
    with Served(setup, echo) as served, served.connect() as client:
        try:
            client.send(filler)
        except (BrokenPipeError, ConnectionResetError):
            assert shape == "never ends"
        else:
            assert client.response().status == (414 if shape == "target" else 431)
            assert client.rest() == b""
        assert not served.answered


def test_a_large_head_within_the_limit_is_read(setup: Setup) -> None:
    with Served(setup, echo) as served:
        assert served.get("/", "X: " + "x" * 60000).status == 200


def test_a_head_that_drips_is_cut_off_in_time(setup: Setup) -> None:
    limits = Limits(head_seconds=0.3)
    with Served(setup, echo, limits=limits) as served, served.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        assert client.response().status == 408
        assert client.rest() == b""


def test_a_connection_without_a_request_is_closed_in_time(setup: Setup) -> None:
    with Served(setup, echo, limits=Limits(head_seconds=0.2)) as served, served.connect() as client:
        assert client.rest() == b""


def test_a_second_head_that_drips_is_cut_off_too(setup: Setup) -> None:
    with Served(setup, echo, limits=Limits(head_seconds=0.3)) as served, served.connect() as client:
        client.request()
        assert client.response().status == 200
        client.send(b"GET / HT")
        assert client.response().status == 408
