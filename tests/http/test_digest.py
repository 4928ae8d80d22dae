import base64
import hashlib
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_downloads.http.digest import repr_digest, wants_sha256


@dataclass(frozen=True)
class Case:
    id: str
    lines: tuple[bytes, ...]
    want: bool


CASES = [
    Case("absent", (), False),
    Case("asked for", (b"sha-256=1",), True),
    Case("asked for most", (b"sha-256=10",), True),
    Case("among others", (b"sha-512=3, sha-256=10, unixsum=0",), True),
    Case("after others, with odd spaces", (b" sha-512=3 \t,\tsha-256=5 ",), True),
    Case("in the second line", (b"sha-512=3", b"sha-256=1"), True),
    Case("0 is not acceptable", (b"sha-256=0",), False),
    Case("the last of one name counts", (b"sha-256=5, sha-256=0",), False),
    Case("another algorithm only", (b"sha-512=10",), False),
    Case("names are lower case", (b"SHA-256=5",), False),
    Case("a longer name is another", (b"sha-256x=5",), False),
    Case("more than 10 is no weight", (b"sha-256=11",), False),
    Case("less than 0 is no weight", (b"sha-256=-1",), False),
    Case("a decimal is no weight", (b"sha-256=1.0",), False),
    Case("a string is no weight", (b'sha-256="1"',), False),
    Case("a truth is no weight", (b"sha-256",), False),
    Case("parameters are read over", (b'sha-256=1;a;b=2;c="x, y"; d=:AA==:',), True),
    Case(
        "other kinds of value are read over", (b'a="x,\\"", b=tok/en, c=:AA==:, d=?1, e=1.5, f=@12, sha-256=1',), True
    ),
    Case("an empty value", (b"",), False),
    Case("a comma at the end spoils the field", (b"sha-256=1,",), False),
    Case("two commas spoil the field", (b"a=1,,sha-256=1",), False),
    Case("no comma between spoils the field", (b"sha-256=1 sha-512=1",), False),
    Case("a space before the equals sign spoils the field", (b"sha-256 =1",), False),
    Case("a name in capitals spoils the field", (b"sha-256=1, A=1",), False),
    Case("what comes later spoils it too", (b"sha-256=1, a=(",), False),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_wants_sha256(case: Case) -> None:
    assert wants_sha256([(b"want-repr-digest", line) for line in case.lines]) is case.want


@given(st.one_of(st.binary(max_size=30), st.text('sha-256=1,; "a', max_size=30).map(str.encode)))
def test_no_value_breaks_it(value: bytes) -> None:
    assert wants_sha256([(b"want-repr-digest", value)]) in (True, False)


def test_repr_digest_is_a_byte_sequence_in_a_dictionary() -> None:
    digest = hashlib.sha256(b"x").digest()
    name, value = repr_digest(digest)
    assert name == b"repr-digest"
    assert value.startswith(b"sha-256=:")
    assert value.endswith(b":")
    assert base64.b64decode(value[9:-1], validate=True) == digest
