"""Both parsers against each other and against a grammar, with streams that are nearly right.

What one takes for requests the other does, whole or byte by byte, and so does the grammar. What status a refusal has
may depend on which of several faults is met first, so it is not compared.
"""

import os
import random
import re
import time

import pytest

from asgi_downloads.server.http1.h11_parser import H11Parser
from asgi_downloads.server.http1.httptools_parser import HttpToolsParser
from asgi_downloads.server.http1.request_head import METHODS, valid_host
from tests.server.http1.requests import ACCEPTED, BROKEN, REFUSED
from tests.server.http1.test_request_parser import NEXT, Seen, pieces, read

SECONDS = 60

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
TEXT = rb"[\t -~\x80-\xff]*"
REQUEST = re.compile(
    rb"[\r\n]*(?P<method>%b) +(?P<target>[!-~]+) +HTTP/(?P<version>1\.[01])\r\n(?P<fields>(?:%b:%b\r\n)*)\r\n"
    % (TOKEN, TOKEN, TEXT)
)
CODING = re.compile(rb"(?im)^transfer-encoding:[ \t]*chunked *\r")  # llhttp takes no tab behind it
TARGET = re.compile(rb"(?:(?i:https?)://(?P<host>[^/?#]+)(?=[/?]|$)|(?=/))(?P<path>/?[^?#]*)(?:\?(?P<query>[^#]*))?")
WORD = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]*"  # a token, or nothing
QUOTED = rb'"(?:[^\0-\x08\n-\x1f"\\\x7f]|\\[^\0-\x08\n-\x1f\x7f])*"'
EXTENSION = rb";(?!\r)%b(?:=%b(?:%b)?)?" % (WORD, WORD, QUOTED)
CHUNK = re.compile(rb"0*(?P<size>[0-9A-Fa-f]{1,16})(?:%b)*\r\n" % EXTENSION)
TRAILERS = re.compile(rb"(?P<fields>(?:%b:%b\r\n)*)\r\n" % (TOKEN, TEXT))
FRAMING = {b"connection", b"content-length", b"proxy-connection", b"transfer-encoding", b"upgrade"}


def values(fields: bytes, *names: bytes) -> list[bytes]:
    """The values of all lines of one name, white space cut off."""
    lines = [line.split(b":", 1) for line in fields.split(b"\r\n") if line]
    return [value.strip(b" \t") for name, value in lines if name.lower() in names]


def options(fields: bytes, *names: bytes) -> list[bytes]:
    """The values of all lines of these names, taken for lists."""
    return [option.strip(b" \t") for option in b",".join(values(fields, *names)).lower().split(b",")]


def is_host(value: bytes) -> bool:
    """Whether a value is a host, and no longer than one can be."""
    return len(value) <= 300 and valid_host(value)


def by_the_grammar(data: bytes) -> Seen:
    """The requests of a stream (RFC 9112), until one is broken or not whole."""
    seen: Seen = []
    while match := REQUEST.match(data):
        method, target, fields = match["method"], match["target"], match["fields"]
        hosts, lengths, codings = (values(fields, name) for name in (b"host", b"content-length", b"transfer-encoding"))
        form = TARGET.fullmatch(target)
        if (
            method not in METHODS
            or not (form or (target == b"*" and method == b"OPTIONS"))
            or (form and form["host"] is not None and not is_host(form["host"]))
            or len(hosts) > 1
            or (not hosts and match["version"] == b"1.1")
            or not all(map(is_host, hosts))
            or len(lengths) + len(codings) > 1
            or not all(re.fullmatch(rb"[0-9]{1,19}", length) for length in lengths)
            or (codings and match["version"] == b"1.0")
            or (codings and not CODING.search(fields))
        ):
            break
        data = data[match.end() :]
        content = b""
        if lengths:
            length = int(lengths[0])
            content, data, whole = data[:length], data[length:], len(data) >= length
        elif codings:
            content, data, whole = chunks(data)
        else:
            whole = True
        if not whole:
            break
        path, query = (form["path"] or b"/", form["query"]) if form else (target, None)
        seen.append((method.decode(), path + b"?" + query if query else path, content))
        if b"close" in options(fields, b"connection", b"proxy-connection"):
            break
        if match["version"] == b"1.0" and b"keep-alive" not in options(fields, b"connection"):
            break
    return seen


def chunks(data: bytes) -> tuple[bytes, bytes, bool]:
    """Content, what follows it, and whether it was whole."""
    content = b""
    while match := CHUNK.match(data):
        size = int(match["size"], 16)
        data = data[match.end() :]
        if not size:
            end = TRAILERS.match(data)
            if end is None or values(end["fields"], *FRAMING):
                break
            return content, data[end.end() :], True
        if data[size : size + 2] != b"\r\n":
            break
        content, data = content + data[:size], data[size + 2 :]
    return content, data, False


SEEDS = [case.data for case in [*10 * ACCEPTED, *BROKEN, *REFUSED]]
BITS = [
    *(bytes([byte]) for byte in b'\r\n\t \0\x01\x1f\x7f\x80\xff:;,="\\/?#*%0139afFxX-+_.()'),
    *(b"\r\n", b"\r\n\r\n", b"\n\n", b"\r\r\n", b"\r\n ", b"GET", b"HEAD", b"HTTP/1.1", b"HTTP/1.0", b"close, "),
    *(b"Content-Length:", b"transfer-encoding:", b"Proxy-Connection: ", b"chunked", b"abc", b"http://a", b";a=b"),
    *(b"3\r\nabc\r\n", b"0\r\n\r\n", b"0\r\n", b';a="b"'),
    *(b"Host: a\r\n", b"Host: b, a\r\n", b"X: y\r\n", b"Expect: x\r\n", b"GET / HTTP/1.1\r\n", b"Upgrade: x\r\n"),
    *(b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Connection: upgrade\r\n"),
    *(b"Proxy-Connection: close\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n"),
    b"Transfer-Encoding: gzip\r\n",
]


def stream(chance: random.Random) -> bytes:
    """Some messages, with a few faults."""
    data = bytearray(b"".join(chance.choice(SEEDS) for _ in range(chance.randint(1, 3))))
    for _ in range(chance.choice((0, 1, 1, 1, 1, 2, 2, 4))):
        lines = [match.end() for match in re.finditer(rb"\r\n", data)]
        at = chance.choice(lines) if lines and chance.random() < 0.4 else chance.randint(0, len(data))
        end = min(len(data), at + chance.choice((0, 0, 1, 1, 2, 4, 12)))
        data[at:end] = chance.choice((b"", *BITS, *BITS))
    return bytes(data) + b"\r\n\r\n" + NEXT


@pytest.mark.slow
def test_streams_that_are_nearly_right_are_read_alike() -> None:
    seed = int(os.environ.get("FUZZ_SEED", str(time.time_ns())))
    print(f"FUZZ_SEED={seed}")
    chance = random.Random(seed)
    end = time.monotonic() + SECONDS
    count = 0
    while time.monotonic() < end:
        data = stream(chance)
        want = by_the_grammar(data)
        for parser in (HttpToolsParser, H11Parser):
            for size in (len(data), 1, chance.randint(2, 40)):
                seen = [item for item in read(parser, pieces(data, size)) if not isinstance(item, int)]
                assert seen == want, f"{parser.__name__}, {size} bytes at a time: {data!r}"
        count += 1
    print(f"{count} streams")
