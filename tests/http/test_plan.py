"""What holds for every plan, whatever is asked. The order of decisions, case by case, is in test_rfc9110."""

import re
from dataclasses import replace
from email import message_from_bytes
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asgi_downloads.http import plan as planning
from asgi_downloads.http.errors import RangeNotSatisfiable
from asgi_downloads.http.message import ByteRange, Header, Plan, Representation
from asgi_downloads.http.plan import Foreseen, foresee, is_one_range, is_plain, plan
from asgi_downloads.http.ranges import NEAR, IntRange, SuffixRange, resolve
from asgi_downloads.http.validators import http_date
from tests.http.asking import BOUNDARY, DATA, ETAG, FIELDS, FILE, MODIFIED, MODIFIED_DATE, NOW, Answer, ask

FRAMING_OF_A_PART = 200


def test_a_plain_request_gets_the_fields_in_this_order() -> None:
    assert plan("GET", [(b"host", b"x")], FILE, now=NOW) == Plan(
        200,
        [
            (b"content-type", b"application/pdf"),
            (b"content-length", b"1000"),
            (b"accept-ranges", b"bytes"),
            (b"etag", ETAG),
            (b"last-modified", MODIFIED_DATE),
            *FIELDS,
        ],
        (ByteRange(0, 1000),),
    )


def test_a_part_gets_the_fields_in_this_order() -> None:
    assert plan("GET", [(b"range", b"bytes=1-2")], FILE, now=NOW) == Plan(
        206,
        [
            (b"content-type", b"application/pdf"),
            (b"content-length", b"2"),
            (b"content-range", b"bytes 1-2/1000"),
            (b"accept-ranges", b"bytes"),
            (b"etag", ETAG),
            (b"last-modified", MODIFIED_DATE),
            *FIELDS,
        ],
        (ByteRange(1, 3),),
    )


def test_a_plan_may_be_changed_without_changing_the_next() -> None:
    first = plan("GET", (), FILE, now=NOW)
    first.headers.append((b"date", b"x"))
    assert (b"date", b"x") not in plan("GET", (), FILE, now=NOW).headers
    assert FILE.fields == FIELDS


def test_header_pairs_may_be_lists_as_some_servers_give_them() -> None:
    pairs: list[Header] = [[b"range", b"bytes=0-0"]]  # type: ignore[list-item]
    assert ask(headers=pairs).content == DATA[:1]


def test_a_boundary_is_drawn_only_for_several_parts() -> None:
    drawn = []

    def boundary() -> bytes:
        drawn.append(b"B")
        return b"B"

    for value in (b"bytes=0-1", b"bytes=0-1,2-3", b"lines=1"):
        plan("GET", [(b"range", value)], FILE, now=NOW, boundary=boundary)
    assert not drawn
    plan("GET", [(b"range", b"bytes=0-1,500-501")], FILE, now=NOW, boundary=boundary)
    assert len(drawn) == 1


def test_boundaries_differ_from_answer_to_answer() -> None:
    planned = [plan("GET", [(b"range", b"bytes=0-1,500-501")], FILE, now=NOW) for _ in range(2)]
    assert planned[0].headers[0] != planned[1].headers[0]


def test_a_file_from_the_future_is_not_confirmed_a_second_later() -> None:
    future = replace(FILE, etag=None, last_modified=NOW + 100)
    first = ask(representation=future)[b"last-modified"]
    assert first is not None
    again = ask(headers=[(b"if-modified-since", first)], representation=future, now=NOW + 1)
    assert again.status == 200


values = st.one_of(
    st.binary(max_size=40),
    st.text("0123456789-=, bytes", max_size=40).map(str.encode),
    st.lists(
        st.one_of(
            st.tuples(st.integers(0, 1100), st.integers(0, 1100)).map(lambda pair: b"%d-%d" % tuple(sorted(pair))),
            st.integers(0, 1100).map(lambda number: b"-%d" % number),
            st.integers(0, 1100).map(lambda number: b"%d-" % number),
        ),
        min_size=1,
        max_size=12,
    ).map(lambda texts: b"bytes=" + b",".join(texts)),
    st.sampled_from([b"*", ETAG, b'W/"v1"', b'"x", "v1"', MODIFIED_DATE, http_date(NOW), http_date(MODIFIED - 1)]),
)
names = st.sampled_from(sorted(planning._DECISIVE) + [b"range"] * 6 + [b"host"])
requests = st.lists(st.tuples(names, values), max_size=4)
sizes = st.integers(0, 1000)
representations = st.builds(
    Representation,
    sizes,
    st.sampled_from([b"a/b", b"text/plain; charset=utf-8"]),
    st.sampled_from([None, ETAG, b'W/"v1"']),
    st.sampled_from([None, 0, MODIFIED, NOW, NOW + 5]),
    st.just(FIELDS),
)


@given(st.sampled_from(["GET", "HEAD"]), requests, representations, st.booleans())
@example("GET", [(b"range", b"bytes=" + b",".join(b"%d-%d" % (i * 10, i * 10) for i in range(100)))], FILE, True)
@settings(max_examples=300)
def test_whatever_is_asked_the_answer_is_sound(
    method: str, headers: list[Header], representation: Representation, ranges: bool
) -> None:
    data = DATA[: representation.size]
    answer = ask(method, headers, representation, ranges=ranges, data=data)
    assert answer.status in (200, 206, 304, 400, 412, 416)
    if answer.status >= 400:
        return
    if answer.status == 304 or method == "HEAD":
        assert answer.content == b""
    else:
        assert answer[b"content-length"] == b"%d" % len(answer.content)
    if answer.status == 200:
        assert answer[b"content-length"] == b"%d" % len(data)
        assert answer.content == (data if method == "GET" else b"")
    if answer.status == 206:
        parts = _parts(answer)
        assert len(answer.content) <= len(data) + FRAMING_OF_A_PART * (len(parts) > 1) * 2
        for start, last, complete, content in parts:
            assert complete == len(data)
            assert content == data[start : last + 1]


def _parts(answer: Answer) -> list[tuple[int, int, int, bytes]]:
    """First, last, complete length and bytes of every part, read from the answer as a client reads it."""
    content_range = answer[b"content-range"]
    if content_range is not None:
        return [(*_positions(content_range.decode()), answer.content)]
    message = message_from_bytes(b"Content-Type: %b\r\n\r\n%b" % (answer[b"content-type"] or b"", answer.content))
    headers = [part["content-range"] for part in message.walk() if not part.is_multipart()]
    bodies = [
        piece.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for piece in answer.content.split(b"--" + BOUNDARY)[1:-1]
    ]
    return [(*_positions(header), body) for header, body in zip(headers, bodies, strict=True)]


def _positions(content_range: str) -> tuple[int, int, int]:
    match = re.fullmatch(r"bytes ([0-9]+)-([0-9]+)/([0-9]+)", content_range)
    assert match
    return int(match[1]), int(match[2]), int(match[3])


@given(st.lists(st.tuples(st.integers(0, 2**62), st.integers(0, 2**20)), min_size=1, max_size=100))
@settings(max_examples=50)
def test_no_request_makes_more_bytes_than_the_file_and_a_little_framing(pairs: list[tuple[int, int]]) -> None:
    size = 2**62
    value = b"bytes=" + b",".join(b"%d-%d" % (start, start + extra) for start, extra in pairs)
    try:
        planned = plan("GET", [(b"range", value)], replace(FILE, size=size), now=NOW)
    except RangeNotSatisfiable:
        assert all(start >= size for start, _ in pairs)
        return
    parts = sorted((part for part in planned.segments if isinstance(part, ByteRange)), key=lambda part: part.start)
    framing = sum(len(part) for part in planned.segments if isinstance(part, bytes))
    assert all(after.start - before.stop >= NEAR for before, after in pairwise(parts))
    assert sum(part.stop - part.start for part in parts) <= size
    assert framing <= FRAMING_OF_A_PART * len(parts)


@pytest.mark.parametrize(
    ("names", "plain"),
    [
        ([], True),
        ([b"host", b"accept", b"accept-encoding"], True),
        ([b"host", b"range"], False),
        ([b"if-match"], False),
        ([b"if-none-match"], False),
        ([b"if-modified-since"], False),
        ([b"if-unmodified-since"], False),
        ([b"if-range"], False),
        ([b"want-repr-digest"], False),
    ],
)
def test_a_plain_request_leaves_nothing_to_decide(names: list[bytes], plain: bool) -> None:
    assert is_plain([(name, b"x") for name in names]) is plain


TAG = b'"v1"'
FORESEEN: dict[str, tuple[str, list[Header], Foreseen | None]] = {
    "plain": ("GET", [(b"accept", b"*/*")], Foreseen()),
    "head": ("HEAD", [], None),
    "one-range": ("GET", [(b"range", b"bytes=5-9")], Foreseen(IntRange(5, 9))),
    "an-open-range": ("GET", [(b"range", b"bytes=5-")], Foreseen(IntRange(5, None))),
    "a-suffix": ("GET", [(b"range", b"bytes=-5")], Foreseen(SuffixRange(5))),
    "a-resume": ("GET", [(b"range", b"bytes=5-"), (b"if-range", TAG)], Foreseen(IntRange(5, None), TAG)),
    "if-range-alone": ("GET", [(b"if-range", TAG)], Foreseen()),
    "a-resume-by-a-weak-tag": ("GET", [(b"range", b"bytes=5-"), (b"if-range", b'W/"v1"')], None),
    "a-resume-by-date": ("GET", [(b"range", b"bytes=5-"), (b"if-range", MODIFIED_DATE)], None),
    "a-resume-by-nonsense": ("GET", [(b"range", b"bytes=5-"), (b"if-range", b'"a" "b"')], None),
    "several-ranges": ("GET", [(b"range", b"bytes=1-2,5-9")], None),
    "several-lines": ("GET", [(b"range", b"bytes=1-2"), (b"range", b"bytes=5-9")], None),
    "malformed": ("GET", [(b"range", b"bytes=9-5")], None),
    "another-unit": ("GET", [(b"range", b"lines=1-2")], None),
    "revalidation": ("GET", [(b"if-none-match", TAG)], None),
    "by-date": ("GET", [(b"if-modified-since", MODIFIED_DATE)], None),
    "guarded": ("GET", [(b"if-match", TAG), (b"range", b"bytes=5-9")], None),
}


@pytest.mark.parametrize("case", FORESEEN)
def test_what_will_be_wanted_is_foreseen(case: str) -> None:
    method, headers, wanted = FORESEEN[case]
    assert foresee(method, headers) == wanted


@pytest.mark.parametrize("case", FORESEEN)
def test_what_is_foreseen_is_what_is_planned(case: str) -> None:
    method, headers, foreseen = FORESEEN[case]
    if foreseen is not None:
        specs = (foreseen.part or IntRange(0, None),)
        assert plan(method, headers, FILE, now=NOW).segments == resolve(specs, FILE.size)


@pytest.mark.parametrize(
    ("headers", "is_one"),
    [
        ([], True),
        ([(b"range", b"bytes=1-")], True),
        ([(b"range", b"bytes=1-"), (b"if-range", TAG)], False),
        ([(b"if-none-match", TAG)], False),
        ([(b"want-repr-digest", b"sha-256=1")], False),
    ],
)
def test_what_asks_for_nothing_but_a_range(headers: list[Header], is_one: bool) -> None:
    assert is_one_range(headers) is is_one
