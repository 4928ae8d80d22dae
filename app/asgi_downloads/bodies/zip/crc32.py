"""CRC-32 as ZIP has it: over bytes, by the fastest library at hand, and of two parts joined."""

from functools import lru_cache

try:
    from isal.isal_zlib import crc32
except ImportError:
    from zlib import crc32

__all__ = ["combine", "crc32"]

_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31
"""The polynomial 1: coefficients run from the highest bit down."""


def combine(first: int, second: int, length: int) -> int:
    """The CRC-32 of two parts joined, from theirs and the second's length in bytes.

    Appending n zero bytes multiplies a CRC by x^8n modulo the polynomial; the rest is addition.
    """
    return _multiply(_power_of_x(8 * length), first) ^ second


@lru_cache(maxsize=64)
def _power_of_x(exponent: int) -> int:
    result, square = _ONE, _ONE >> 1
    while exponent:
        if exponent & 1:
            result = _multiply(square, result)
        square = _multiply(square, square)
        exponent >>= 1
    return result


def _multiply(a: int, b: int) -> int:
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = a << 1 & 0xFFFFFFFF
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return product
