import base64
import hashlib
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_downloads.http.digest import digest_line, wanted_fields


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
def test_wanted_by_rfc_9530(case: Case) -> None:
    found = wanted_fields([(b"want-repr-digest", line) for line in case.lines])
    assert found == ((b"repr-digest",) if case.want else ())


OLD_CASES = [
    Case("absent", (), False),
    Case("as aria2 asks", (b"SHA-512;q=1, SHA-256;q=1, SHA;q=0.1",), True),
    Case("without a weight", (b"sha-256",), True),
    Case("names are of any case", (b"Sha-256",), True),
    Case("with spaces", (b"md5 , sha-256 ; q=0.3",), True),
    Case("a small weight", (b"SHA-256;q=0.001",), True),
    Case("in the second line", (b"md5", b"sha-256;q=1.000"), True),
    Case("0 is not acceptable", (b"SHA-256;q=0",), False),
    Case("0.000 is not either", (b"SHA-256;q=0.000, MD5;q=0.3",), False),
    Case("another algorithm only", (b"SHA-512;q=1",), False),
    Case("a longer name is another", (b"sha-256x, x-sha-256, sha-256-x",), False),
    Case("more than 1 is no weight", (b"sha-256;q=2",), False),
    Case("less than 0 is no weight", (b"sha-256;q=-1",), False),
    Case("four digits are no weight", (b"sha-256;q=0.0001",), False),
    Case("another parameter is none", (b"sha-256;p=1",), False),
    Case("an empty value", (b"",), False),
    Case("one strange member does not spoil its neighbours", (b",, @;;, sha-256",), True),
]


@pytest.mark.parametrize("case", OLD_CASES, ids=lambda case: case.id)
def test_wanted_by_rfc_3230(case: Case) -> None:
    assert wanted_fields([(b"want-digest", line) for line in case.lines]) == ((b"digest",) if case.want else ())


def test_both_may_be_wanted() -> None:
    assert wanted_fields([(b"want-digest", b"sha-256"), (b"want-repr-digest", b"sha-256=1")]) == (
        b"repr-digest",
        b"digest",
    )


@given(st.one_of(st.binary(max_size=30), st.text('sha-256=1,; "aq.', max_size=30).map(str.encode)))
def test_no_value_breaks_it(value: bytes) -> None:
    assert set(wanted_fields([(b"want-repr-digest", value), (b"want-digest", value)])) <= {b"repr-digest", b"digest"}


def test_repr_digest_is_a_byte_sequence_in_a_dictionary() -> None:
    digest = hashlib.sha256(b"x").digest()
    name, value = digest_line(b"repr-digest", digest)
    assert name == b"repr-digest"
    assert value.startswith(b"sha-256=:")
    assert value.endswith(b":")
    assert base64.b64decode(value[9:-1], validate=True) == digest


def test_digest_is_base64_behind_the_name_in_capitals() -> None:
    digest = hashlib.sha256(b"x").digest()
    assert digest_line(b"digest", digest) == (b"digest", b"SHA-256=" + base64.b64encode(digest))
