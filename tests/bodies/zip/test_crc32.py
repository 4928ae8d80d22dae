"""CRC-32 of two parts, without reading them again."""

import zlib

from hypothesis import given
from hypothesis import strategies as st

from asgi_downloads.bodies.zip.crc32 import combine, crc32


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_the_crc_of_parts_joined(first: bytes, second: bytes) -> None:
    assert crc32(first + second) == zlib.crc32(first + second)
    assert combine(crc32(first), crc32(second), len(second)) == zlib.crc32(first + second)


def test_a_long_second_part() -> None:
    second = bytes(5_000_001)
    assert combine(zlib.crc32(b"head"), zlib.crc32(second), len(second)) == zlib.crc32(b"head" + second)
