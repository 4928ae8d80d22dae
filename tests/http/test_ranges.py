import re
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asgi_downloads.http.errors import HTTPError, MalformedRange, RangeNotSatisfiable
from asgi_downloads.http.message import ByteRange
from asgi_downloads.http.ranges import MOST_ELEMENTS, NEAR, IntRange, RangeSpec, SuffixRange, parse, resolve


@dataclass(frozen=True)
class Parsed:
    id: str
    value: bytes
    want: tuple[RangeSpec, ...] | None


PARSED = [
    Parsed("first and last", b"bytes=0-499", (IntRange(0, 499),)),
    Parsed("first alone is open to the end", b"bytes=500-", (IntRange(500, None),)),
    Parsed("a suffix", b"bytes=-500", (SuffixRange(500),)),
    Parsed("a suffix of nothing is grammatical", b"bytes=-0", (SuffixRange(0),)),
    Parsed("first may equal last", b"bytes=7-7", (IntRange(7, 7),)),
    Parsed("leading zeros are decimal", b"bytes=007-010", (IntRange(7, 10),)),
    Parsed("leading zeros do not make a number longer", b"bytes=2-00000000000000000000003", (IntRange(2, 3),)),
    Parsed("zero written long", b"bytes=000000000000000000000000-0", (IntRange(0, 0),)),
    Parsed("several, in the order asked", b"bytes=5-6,-1,0-", (IntRange(5, 6), SuffixRange(1), IntRange(0, None))),
    Parsed("spaces and tabs around commas", b"bytes= 0-1 ,\t2-3\t", (IntRange(0, 1), IntRange(2, 3))),
    Parsed("empty members are skipped", b"bytes=,,0-1,,2-3,", (IntRange(0, 1), IntRange(2, 3))),
    Parsed("the unit in capitals", b"BYTES=0-1", (IntRange(0, 1),)),
    Parsed("the unit in mixed case", b"ByTes=0-1", (IntRange(0, 1),)),
    Parsed("nineteen digits are exact", b"bytes=9999999999999999998-", (IntRange(9999999999999999998, None),)),
    Parsed("more digits are simply beyond", b"bytes=10000000000000000000-", (IntRange(10**19, None),)),
    Parsed("as many digits as one likes", b"bytes=0-" + b"9" * 5000, (IntRange(0, 10**19),)),
    Parsed("another unit is ignored", b"items=0-1", None),
    Parsed("another unit is ignored whatever follows", b"items=!\xff", None),
    Parsed("a unit that only begins alike is another", b"bytes2=0-1", None),
    Parsed("a hundred members are read", b"bytes=" + b",".join([b"0-0"] * 100), (IntRange(0, 0),) * 100),
    Parsed("a hundred and one are ignored", b"bytes=" + b",".join([b"0-0"] * 101), None),
    Parsed("empty members count", b"bytes=0-0" + b"," * MOST_ELEMENTS, None),
    Parsed("what is too long is not even looked at", b"bytes=x" + b",x" * 100, None),
]


@pytest.mark.parametrize("case", PARSED, ids=lambda case: case.id)
def test_parse(case: Parsed) -> None:
    assert parse(case.value) == case.want


MALFORMED = {
    "an empty value": b"",
    "a unit alone": b"bytes",
    "no equals sign": b"bytes 0-1",
    "no unit": b"=0-1",
    "a unit that is no token": b"by tes=0-1",
    "a space before the equals sign": b"bytes =0-1",
    "no member": b"bytes=",
    "only empty members": b"bytes= , ,",
    "a lone hyphen": b"bytes=-",
    "words": b"bytes=abc",
    "a number alone": b"bytes=5",
    "hexadecimal": b"bytes=0x1-5",
    "two hyphens between": b"bytes=0--1",
    "three numbers": b"bytes=0-1-2",
    "a parameter behind": b"bytes=0-1;q=1",
    "a plus sign": b"bytes=+1-5",
    "a plus sign on the last": b"bytes=1-+5",
    "a second minus sign": b"bytes=--5",
    "an underscore": b"bytes=1_0-20",
    "a space before the hyphen": b"bytes=0 -1",
    "a space after the hyphen": b"bytes=0- 1",
    "a decimal point": b"bytes=0.0-1",
    "digits of another script": "bytes=\u0660-\u0661".encode(),
    "superscript digits in Latin-1": b"bytes=\xb2-\xb3",
    "a newline behind": b"bytes=0-1\n",
    "a NUL": b"bytes=0-1\x00",
    "last before first": b"bytes=5-2",
    "last before first, by one digit": b"bytes=10-9",
    "last before first, hidden by zeros": b"bytes=10-0000009",
    "last before first, both beyond any file": b"bytes=" + b"9" * 30 + b"-" + b"8" * 30,
    "a valid range before a malformed one": b"bytes=0-1,abc",
    "a valid range after a reversed one": b"bytes=5-2,0-1",
    "a semicolon between ranges": b"bytes=0-1;2-3",
    "the unit twice": b"bytes=0-1, bytes=2-3",
}


@pytest.mark.parametrize("value", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_range_is_refused(value: bytes) -> None:
    with pytest.raises(MalformedRange) as caught:
        parse(value)
    assert caught.value.status == 400
    assert caught.value.detail.startswith("Malformed Range header: ")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"0-1", "expected bytes=first-last"),
        (b"bytes=,", "no range in it"),
        (b"bytes=a", "a range is first-last, first- or -length, in decimal digits"),
        (b"bytes=2-1", "a range ends before it starts"),
    ],
    ids=repr,
)
def test_the_refusal_says_why(value: bytes, reason: str) -> None:
    with pytest.raises(MalformedRange) as caught:
        parse(value)
    assert caught.value.detail == f"Malformed Range header: {reason}"


@dataclass(frozen=True)
class Resolved:
    id: str
    specs: tuple[RangeSpec, ...]
    want: tuple[tuple[int, int], ...]
    size: int = 1000


RESOLVED = [
    Resolved("one byte", (IntRange(0, 0),), ((0, 1),)),
    Resolved("the last byte", (IntRange(999, 999),), ((999, 1000),)),
    Resolved("the whole", (IntRange(0, 999),), ((0, 1000),)),
    Resolved("open to the end", (IntRange(990, None),), ((990, 1000),)),
    Resolved("a last beyond the end is clamped", (IntRange(990, 10**19),), ((990, 1000),)),
    Resolved("a suffix", (SuffixRange(10),), ((990, 1000),)),
    Resolved("a suffix as long as the file", (SuffixRange(1000),), ((0, 1000),)),
    Resolved("a suffix longer than the file", (SuffixRange(10**19),), ((0, 1000),)),
    Resolved("a range that misses drops out", (IntRange(1000, None), IntRange(0, 1)), ((0, 2),)),
    Resolved("an empty suffix drops out", (IntRange(0, 1), SuffixRange(0)), ((0, 2),)),
    Resolved("two far apart stay two", (IntRange(0, 1), IntRange(500, 501)), ((0, 2), (500, 502))),
    Resolved("the order asked is kept", (IntRange(500, 501), IntRange(0, 1)), ((500, 502), (0, 2))),
    Resolved("overlapping ones join", (IntRange(0, 10), IntRange(5, 20)), ((0, 21),)),
    Resolved("adjacent ones join", (IntRange(0, 10), IntRange(11, 20)), ((0, 21),)),
    Resolved("one inside another vanishes", (IntRange(0, 100), IntRange(5, 20)), ((0, 101),)),
    Resolved("the same one twice is one", (IntRange(3, 4), IntRange(3, 4)), ((3, 5),)),
    Resolved("a gap below the cost of a part joins", (IntRange(0, 9), IntRange(9 + NEAR, 200)), ((0, 201),)),
    Resolved("a gap of that cost does not", (IntRange(0, 9), IntRange(10 + NEAR, 200)), ((0, 10), (90, 201))),
    Resolved(
        "what joins takes the place of its first member",
        (IntRange(900, 909), IntRange(0, 9), IntRange(500, 509), IntRange(910, 919), IntRange(5, 20)),
        ((900, 920), (0, 21), (500, 510)),
    ),
    Resolved("a chain joins to one", (IntRange(20, 29), IntRange(0, 9), IntRange(10, 19)), ((0, 30),)),
    Resolved("more bytes than an index can say", (IntRange(0, None),), ((0, 2**64),), size=2**64),
    Resolved("a suffix of nothing there is: the whole", (SuffixRange(5),), (), size=0),
    Resolved("a suffix beside what misses: the whole", (IntRange(0, 0), SuffixRange(1)), (), size=0),
]


@pytest.mark.parametrize("case", RESOLVED, ids=lambda case: case.id)
def test_resolve(case: Resolved) -> None:
    assert resolve(case.specs, case.size) == tuple(ByteRange(*pair) for pair in case.want)


@pytest.mark.parametrize(
    ("specs", "size"),
    [
        pytest.param((IntRange(10, None),), 10, id="first at the end"),
        pytest.param((IntRange(10, 20), IntRange(99, None)), 10, id="none of several"),
        pytest.param((SuffixRange(0),), 10, id="an empty suffix"),
        pytest.param((IntRange(0, None),), 0, id="anything in an empty file"),
        pytest.param((SuffixRange(0),), 0, id="an empty suffix of an empty file"),
    ],
)
def test_nothing_left_is_not_satisfiable(specs: tuple[RangeSpec, ...], size: int) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        resolve(specs, size)
    assert caught.value.headers == ((b"content-range", b"bytes */%d" % size),)


numbers = st.one_of(st.integers(0, 30), st.integers(0, 1200), st.integers(0, 10**40))
specs_text = st.one_of(
    st.tuples(numbers, numbers).map(lambda pair: b"%d-%d" % (min(pair), max(pair))),
    numbers.map(lambda number: b"%d-" % number),
    numbers.map(lambda number: b"-%d" % number),
)
sizes = st.one_of(st.integers(0, 40), st.integers(0, 1200), st.integers(0, 2**63))
any_value = st.one_of(
    st.binary(max_size=60),
    st.text("0123456789-=, bytes\t+_x", max_size=60).map(str.encode),
    st.lists(specs_text, max_size=8).map(lambda texts: b"bytes=" + b",".join(texts)),
)


@given(any_value, sizes)
@example(b"bytes=0-0,-1", 2)
def test_whatever_is_asked_parts_are_disjoint_and_inside(value: bytes, size: int) -> None:
    try:
        specs = parse(value)
        parts = resolve(specs, size) if specs else ()
    except (MalformedRange, RangeNotSatisfiable):
        return
    ordered = sorted(parts, key=lambda part: part.start)
    assert all(0 <= part.start < part.stop <= size for part in parts)
    assert all(after.start - before.stop >= NEAR for before, after in pairwise(ordered))


def _wanted(texts: list[bytes], size: int) -> set[int]:
    """The positions that ranges ask for, counted out one by one."""
    wanted: set[int] = set()
    for text in texts:
        first, last = text.split(b"-")
        if first:
            wanted.update(range(min(int(first), size), min(int(last or b"9" * 50) + 1, size)))
        else:
            wanted.update(range(max(0, size - int(last)), size))
    return wanted


@given(st.lists(specs_text, min_size=1, max_size=6), st.integers(1, 600))
def test_every_byte_asked_for_is_sent_and_else_only_small_gaps(texts: list[bytes], size: int) -> None:
    specs = parse(b"bytes=" + b", ".join(texts))
    assert specs is not None
    wanted = _wanted(texts, size)
    if not wanted:
        with pytest.raises(RangeNotSatisfiable):
            resolve(specs, size)
        return
    sent = [position for part in resolve(specs, size) for position in range(part.start, part.stop)]
    assert wanted <= set(sent)
    assert len(sent) == len(set(sent))
    gaps = re.findall(rb"0+", bytes(position in wanted for position in sorted(sent)).translate(b"01" + bytes(254)))
    assert all(len(gap) < NEAR for gap in gaps)


def _lines_run(value: bytes) -> int:
    """How many lines of Python it takes to answer for this value."""
    count = 0

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        specs = parse(value)
        if specs:
            resolve(specs, 10**9)
    except HTTPError:
        pass
    finally:
        sys.settrace(before)
    return count


LONG = {
    "many members": lambda n: b"bytes=" + b"0-1," * (n // 4),
    "many digits": lambda n: b"bytes=" + b"9" * n + b"-",
    "many zeros": lambda n: b"bytes=" + b"0" * n + b"-",
    "many hyphens": lambda n: b"bytes=" + b"-" * n,
    "much white space": lambda n: b"bytes=0-1" + b" " * n + b",2-3",
    "white space within": lambda n: b"bytes=0-1" + b" " * n + b"x",
    "a long unit": lambda n: b"u" * n + b"=0-1",
    "numbers of thousands of digits": lambda n: b"bytes=" + b",".join([b"9" * (n // 99) + b"-"] * 99),
}


@pytest.mark.parametrize("make", LONG.values(), ids=LONG.keys())
def test_the_steps_do_not_grow_with_the_length_of_the_field(make: Any) -> None:
    assert _lines_run(make(100_000)) <= _lines_run(make(1_000)) + 10


def test_the_steps_grow_with_the_members_no_faster_than_they() -> None:
    few, many = (b"bytes=" + b",".join(b"%d-%d" % (i * 999, i * 999) for i in range(n, 0, -1)) for n in (10, 100))
    assert _lines_run(many) < 11 * _lines_run(few)


@pytest.mark.parametrize("make", LONG.values(), ids=LONG.keys())
def test_a_field_of_100_kb_costs_little(make: Any) -> None:
    value, best = make(100_000), 1.0
    for _ in range(5):
        start = time.perf_counter()
        try:
            specs = parse(value)
            if specs:
                resolve(specs, 10**9)
        except HTTPError:
            pass
        best = min(best, time.perf_counter() - start)
    assert best < 0.01  # a quadratic step would take seconds; the measured cost is below 0.5 ms


@settings(max_examples=30)
@given(st.permutations([(0, 9), (200, 209), (400, 409), (600, 609), (800, 809)]))
def test_parts_come_in_the_order_asked(pairs: list[tuple[int, int]]) -> None:
    parts = resolve([IntRange(*pair) for pair in pairs], 1000)
    assert [(part.start, part.stop - 1) for part in parts] == pairs
