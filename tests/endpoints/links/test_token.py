"""The token of a link: how it is written, that nothing of it can be changed, and that openssl finds the same."""

import hashlib
import hmac
import subprocess
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_downloads.endpoints.links.token import Link, parse, to_base64
from tests.support.tools import require

KEY = bytes(range(32))


@dataclass(frozen=True)
class Case:
    id: str
    link: Link
    token: str
    """Without its mac."""


CASES = [
    Case("a folder", Link("k1", 1_800_000_000, "-", b"holiday/"), "1.k1.1800000000.-.aG9saWRheS8"),
    Case("a file", Link("A9", 1, "-", b"files/report.pdf"), "1.A9.1.-.ZmlsZXMvcmVwb3J0LnBkZg"),
    Case("all", Link("k1", 1_800_000_000, "-", b""), "1.k1.1800000000.-."),
    Case("every flag", Link("k1", 1_800_000_000, "dpz", b"a/"), "1.k1.1800000000.dpz.YS8"),
    Case("without an end", Link("k1", 0, "z", b"a/"), "1.k1.0.z.YS8"),
    Case("bytes that are no text", Link("k1", 7, "-", b"caf\xe9/"), "1.k1.7.-.Y2Fm6S8"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_token_is_written_and_read(case: Case) -> None:
    token = case.link.token(KEY)
    assert token == f"{case.token}.{to_base64(case.link.mac(KEY))}"
    assert parse(token) == (case.link, case.link.mac(KEY))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_openssl_finds_the_same_mac(case: Case) -> None:
    require("openssl")
    link = case.link
    head = f"asgi-downloads link\n1\n{link.kid}\n{link.expires}\n{link.flags}\n"
    said = subprocess.run(
        ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{KEY.hex()}", "-binary"],
        input=head.encode() + link.prefix,
        capture_output=True,
        check=True,
    ).stdout
    assert said == link.mac(KEY)


def test_the_key_with_a_password_is_bound_to_the_text() -> None:
    link = Link("k1", 1_800_000_000, "p", b"a/")
    hashed = hashlib.scrypt(b"secret", salt=link.text, n=2**14, r=8, p=1, dklen=32)
    assert link.key_with(KEY, b"secret") == hmac.digest(KEY, hashed, "sha256")


MALFORMED = {
    "another version": "2.k1.1800000000.-.YS8.{mac}",
    "no id": "1..1800000000.-.YS8.{mac}",
    "an id of nine": "1.k12345678.1800000000.-.YS8.{mac}",
    "an id with a dash": "1.k-1.1800000000.-.YS8.{mac}",
    "an end with a zero before": "1.k1.01800000000.-.YS8.{mac}",
    "an end with a sign": "1.k1.+1800000000.-.YS8.{mac}",
    "an end with other digits": "1.k1.\u0661.-.YS8.{mac}",
    "no flags": "1.k1.1800000000..YS8.{mac}",
    "flags in another order": "1.k1.1800000000.pd.YS8.{mac}",
    "a flag twice": "1.k1.1800000000.dd.YS8.{mac}",
    "an unknown flag": "1.k1.1800000000.x.YS8.{mac}",
    "a flag beside the dash": "1.k1.1800000000.-d.YS8.{mac}",
    "padding": "1.k1.1800000000.-.YS8=.{mac}",
    "another spelling of the same prefix": "1.k1.1800000000.-.YS9.{mac}",
    "a prefix of an impossible length": "1.k1.1800000000.-.YS8aa.{mac}",
    "a mac cut short": "1.k1.1800000000.-.YS8.{mac:.42}",
    "a mac that is too long": "1.k1.1800000000.-.YS8.{mac}A",
    "something behind": "1.k1.1800000000.-.YS8.{mac}.",
    "a line's end behind": "1.k1.1800000000.-.YS8.{mac}\n",
    "nothing": "",
}


@pytest.mark.parametrize("token", MALFORMED.values(), ids=MALFORMED)
def test_what_is_spelt_otherwise_is_no_token(token: str) -> None:
    mac = to_base64(Link("k1", 1_800_000_000, "-", b"a/").mac(KEY))
    assert parse("1.k1.1800000000.-.YS8." + mac) is not None
    assert parse(token.format(mac=mac)) is None


def test_no_bit_of_a_token_can_be_flipped() -> None:
    token = Link("k1", 1_800_000_000, "d", b"holiday/").token(KEY).encode()
    for place in range(len(token)):
        for bit in range(8):
            flipped = token[:place] + bytes([token[place] ^ 1 << bit]) + token[place + 1 :]
            found = parse(flipped.decode("latin-1"))
            assert found is None or not hmac.compare_digest(found[0].mac(KEY), found[1]), flipped


@given(st.text(max_size=120) | st.from_regex(r"1\.[A-Za-z0-9]{1,8}\.[0-9]{1,12}\.[-dpz]{1,3}\.[\w-]{0,20}\.[\w-]{43}"))
def test_a_token_that_is_read_is_written_alike(text: str) -> None:
    found = parse(text)
    if found is not None:
        link, mac = found
        assert f"1.{link.kid}.{link.expires}.{link.flags}.{to_base64(link.prefix)}.{to_base64(mac)}" == text
