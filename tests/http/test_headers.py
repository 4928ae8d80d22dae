from dataclasses import dataclass

import pytest

from asgi_downloads.http.headers import combined, elements, get_all

LINES = [(b"accept", b" a\t"), (b"host", b"x"), (b"accept", b"b"), (b"empty", b"")]


def test_get_all_gives_every_line_in_order() -> None:
    assert get_all(LINES, b"accept") == [b"a", b"b"]
    assert get_all(LINES, b"range") == []


def test_combined_joins_lines_by_commas() -> None:
    assert combined(LINES, b"accept") == b"a, b"
    assert combined(LINES, b"empty") == b""
    assert combined(LINES, b"range") is None


@dataclass(frozen=True)
class Case:
    id: str
    value: bytes
    want: list[bytes]


CASES = [
    Case("one member", b"a", [b"a"]),
    Case("spaces and tabs around members do not count", b" a \t,\tb", [b"a", b"b"]),
    Case("empty members are skipped", b",, a,,b , ", [b"a", b"b"]),
    Case("an empty list has no members", b" , ", []),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_elements(case: Case) -> None:
    assert elements(case.value) == case.want
