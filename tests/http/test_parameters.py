"""Each row is what FastAPI says; where values are many, pydantic itself is asked."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from asgi_downloads.http.errors import InvalidParameters
from asgi_downloads.http.parameters import Query

BOOL_MESSAGE = "Input should be a valid boolean, unable to interpret input"


def _download(query_string: bytes) -> bool:
    with Query(query_string) as query:
        return query.boolean("download", False)


@dataclass(frozen=True)
class Accepted:
    id: str
    query_string: bytes
    want: bool


TRUE, FALSE = ("1", "true", "t", "yes", "y", "on"), ("0", "false", "f", "no", "n", "off")

ACCEPTED = [
    *(Accepted(f"true is {word}", b"download=" + word.encode(), True) for word in TRUE),
    *(Accepted(f"false is {word}", b"download=" + word.encode(), False) for word in FALSE),
    *(Accepted(f"letter case is free: {word}", b"download=" + word.encode(), True) for word in ("TRUE", "Yes", "oN")),
    Accepted("absent is false", b"", False),
    Accepted("other parameters are ignored", b"a=b&x", False),
    Accepted("the last value counts", b"download=bad&download=1", True),
    Accepted("the name is case-sensitive", b"Download=1", False),
    Accepted("a name with brackets is another", b"download[]=1", False),
    Accepted("names and values are percent-decoded", b"d%6Fwnload=%31", True),
    Accepted("empty pairs are skipped", b"&&download=1&&", True),
    Accepted("a semicolon separates nothing", b"x=1;download=bad", False),
]


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.id)
def test_accepted(case: Accepted) -> None:
    assert _download(case.query_string) is case.want


@dataclass(frozen=True)
class Refused:
    id: str
    query_string: bytes
    input: str


REFUSED = [
    *(
        Refused(f"no boolean: {value!r}", b"download=" + quote(value).encode(), value)
        for value in ("01", "1.0", "2", "-1", " true", "true ", "null", "None", "enable", "tru\u0435")
    ),
    Refused("a plus is a space", b"download=+1", " 1"),
    Refused("no equals sign is the empty string", b"download", ""),
    Refused("nothing behind the equals sign is the empty string", b"download=", ""),
    Refused("the last value counts", b"download=1&download=bad", "bad"),
    Refused("the first equals sign splits", b"download==1", "=1"),
    Refused("a semicolon is part of the value", b"download=1;x=2", "1;x=2"),
    Refused("a question mark too", b"download=1?x", "1?x"),
    Refused("invalid UTF-8 is replaced", b"download=%FF", "\ufffd"),
    Refused("a malformed escape stays", b"download=%zz", "%zz"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.id)
def test_refused(case: Refused) -> None:
    with pytest.raises(InvalidParameters) as caught:
        _download(case.query_string)
    assert caught.value.status == 422
    assert caught.value.detail == [
        {"type": "bool_parsing", "loc": ["query", "download"], "msg": BOOL_MESSAGE, "input": case.input}
    ]


def test_every_problem_is_listed_in_the_order_of_reading() -> None:
    query = Query(b"n=0&kind=z&flag=x&when=y")
    query.boolean("flag", False)
    query.choice("kind", "a", ("a", "b"))
    query.integer("n", 1, ge=1)
    query.moment("when", None)
    query.boolean("absent", False)
    with pytest.raises(InvalidParameters) as caught, query:
        pass
    assert [problem["loc"] for problem in caught.value.detail] == [
        ["query", "flag"],
        ["query", "kind"],
        ["query", "n"],
        ["query", "when"],
    ]


def test_another_error_in_the_block_goes_first() -> None:
    query = Query(b"flag=x")
    query.boolean("flag", False)
    with pytest.raises(ZeroDivisionError), query:
        raise ZeroDivisionError


def test_defaults_may_be_anything() -> None:
    with Query(b"other=1") as query:
        assert query.boolean("a", None) is None
        assert query.integer("b", None) is None
        assert query.choice("c", None, ("x",)) is None
        assert query.choices("d", ("x",), ("x",)) == ("x",)
        assert query.moment("e", None) is None


def _refusal(kind: str, where: list[str | int], message: str, value: str, context: Any = None) -> dict[str, Any]:
    problem = {"type": kind, "loc": ["query", *where], "msg": message, "input": value}
    return problem | {"ctx": context} if context else problem


@dataclass(frozen=True)
class Words:
    id: str
    allowed: tuple[str, ...]
    value: str
    expected: str | None = None


WORDS = [
    Words("one of two", ("csv", "jsonl"), "jsonl"),
    Words("letter case counts", ("csv", "jsonl"), "CSV", "'csv' or 'jsonl'"),
    Words("one word alone", ("csv",), "x", "'csv'"),
    Words("three words", ("a", "b", "c"), "", "'a', 'b' or 'c'"),
]


@pytest.mark.parametrize("case", WORDS, ids=lambda case: case.id)
def test_choice(case: Words) -> None:
    query = Query(urlencode({"w": case.value}).encode())
    if case.expected is None:
        with query:
            assert query.choice("w", "x", case.allowed) == case.value
        return
    with pytest.raises(InvalidParameters) as caught, query:
        query.choice("w", "x", case.allowed)
    message = f"Input should be {case.expected}"
    assert caught.value.detail == [_refusal("literal_error", ["w"], message, case.value, {"expected": case.expected})]


def test_choices_keep_their_order() -> None:
    with Query(b"columns=name,id") as query:
        assert query.choices("columns", (), ("id", "name")) == ("name", "id")


def test_choices_tell_which_is_wrong() -> None:
    with pytest.raises(InvalidParameters) as caught, Query(b"columns=x,id,") as query:
        query.choices("columns", (), ("id", "name"))
    context = {"expected": "'id' or 'name'"}
    message = "Input should be 'id' or 'name'"
    assert caught.value.detail == [
        _refusal("literal_error", ["columns", 0], message, "x", context),
        _refusal("literal_error", ["columns", 2], message, "", context),
    ]


@dataclass(frozen=True)
class Bound:
    id: str
    value: str
    want: int | dict[str, Any]


BOUNDS = [
    Bound("the least", "1", 1),
    Bound("the greatest", "10", 10),
    Bound(
        "less than the least",
        "0",
        _refusal("greater_than_equal", ["n"], "Input should be greater than or equal to 1", "0", {"ge": 1}),
    ),
    Bound(
        "more than the greatest",
        "11",
        _refusal("less_than_equal", ["n"], "Input should be less than or equal to 10", "11", {"le": 10}),
    ),
]


@pytest.mark.parametrize("case", BOUNDS, ids=lambda case: case.id)
def test_bounds(case: Bound) -> None:
    query = Query(b"n=" + case.value.encode())
    if isinstance(case.want, int):
        with query:
            assert query.integer("n", 5, ge=1, le=10) == case.want
        return
    with pytest.raises(InvalidParameters) as caught, query:
        query.integer("n", 5, ge=1, le=10)
    assert caught.value.detail == [case.want]


def _ours(method: str, value: str) -> Any:
    """The value, or the problem as pydantic tells it."""
    try:
        with Query(urlencode({"x": value}).encode()) as query:
            return getattr(query, method)("x", "default")
    except InvalidParameters as error:
        (problem,) = error.detail
        assert problem.pop("loc") == ["query", "x"]
        return problem


def _pydantics(adapter: TypeAdapter[Any], value: str) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        return {key: problem[key] for key in ("type", "msg", "input", "ctx") if key in problem}


INT, DATETIME = TypeAdapter(int), TypeAdapter(datetime)


@given(
    st.one_of(
        st.text("0123456789+-_. \t\n\x1c\u2003e\u0661", max_size=6),
        st.from_regex(r"\A ?[+-]?[0-9]+(_[0-9]+)*(\.0+)? ?\Z"),
        st.text(max_size=5),
    ).filter(lambda value: "-" not in value.lstrip()[1:])  # pydantic reads "0-2" as -2
)
@example("")
@example("0" * 5000 + "1")
@example("9" * 4300)
@example("9" * 4301)
@example("1.0")
@example("1_0")
@settings(max_examples=300)
def test_integers_are_those_of_pydantic(value: str) -> None:
    assert _ours("integer", value) == _pydantics(INT, value)


DAYS = st.dates().map(str)
TIMES = st.from_regex(
    r"\A[T _t][0-2][0-9]:[0-6][0-9](:[0-6][0-9]([.,][0-9]{1,8})?)?([Zz]|[+-][0-2][0-9]:?[0-6][0-9])?\Z"
)
MOMENTS = [
    "",
    "x",
    "2024-1-1",
    "2024/01/01",
    "2024-01/01",
    "202x-01-01",
    "2024-x1-01",
    "2024-01-x1",
    "2024-00-01",
    "2024-13-01",
    "2024-01-00",
    "2024-02-30",
    "2023-02-29",
    "2024-02-29",
    "2024-01-01T",
    "2024-01-01 ",
    " 2024-01-01",
    "2024-01-01T10",
    "2024-01-01T10:00",
    "2024-01-01T24:00",
    "2024-01-01T10:60",
    "2024-01-01T10:00:60",
    "2024-01-01T10:00:00.",
    "2024-01-01T10:00:00.123456789Z",
    "2024-01-01T10:00:00,5",
    "2024-01-01T10:00:00+02",
    "2024-01-01T10:00:00+24:00",
    "2024-01-01T10:00:00-23:59",
    "2024-01-01t10:00z",
    "\u0661\u0662\u0663\u0664-01-01",
    "0",
    "-1",
    "+1700000000",
    "1700000000",
    "20000000000",
    "0000-01-01",
    "0000-02-29T00:00Z",
    "0000-01-01T25:00",
    "0000-02-30",
    "20000000001",
    "-20000000001",
    "253402300800000",
    "-99999999999999",
    "99999999999999999999",
]


@pytest.mark.parametrize("value", MOMENTS)
def test_moments_are_those_of_pydantic(value: str) -> None:
    assert _ours("moment", value) == _pydantics(DATETIME, value)


@given(st.one_of(DAYS, st.tuples(DAYS, TIMES).map("".join), st.text("0123456789-:T Z+,x", max_size=12)))
@settings(max_examples=300)
def test_generated_moments_too(value: str) -> None:
    assert _ours("moment", value) == _pydantics(DATETIME, value)


def test_a_moment_without_zone_is_naive_and_with_zone_is_not() -> None:
    with Query(b"a=2024-01-01&b=2024-01-01T00:00Z") as query:
        assert query.moment("a", None) == datetime(2024, 1, 1)  # noqa: DTZ001
        assert query.moment("b", None) == datetime(2024, 1, 1, tzinfo=UTC)


def read_all(query_string: bytes) -> tuple[float, InvalidParameters | None]:
    """Seconds that it takes, and the refusal."""
    refused = None
    started = time.perf_counter()
    try:
        with Query(query_string) as query:
            query.boolean("a", None)
            query.integer("b", None)
            query.moment("c", None)
            query.choice("d", None, ("x", "y"))
            query.choices("e", None, ("id", "name", "email", "created_at"))
    except InvalidParameters as error:
        refused = error
        error.body()
    return time.perf_counter() - started, refused


COSTLY = [
    pytest.param(b"e=" + b"a," * 32_000, id="words"),
    pytest.param(b"e=" + b"id," * 21_000 + b"id", id="words-that-are-right"),
    pytest.param(b"a&" * 32_000, id="fields"),
    pytest.param(b"a&" * 999, id="as-many-fields-as-may-be"),
    pytest.param(b"%61%62=%63%64&" * 999, id="fields-with-escapes"),
    pytest.param(b"e=" + b"%41" * 21_000, id="escapes"),
    pytest.param(b"e=" + b"a%41" * 16_000, id="escapes-between-letters"),
    pytest.param(b"e=" + b"%C3%A9," * 9_000, id="escapes-beyond-ascii"),
    pytest.param(b"e=" + b"%ff" * 21_000, id="escapes-that-are-no-utf-8"),
    pytest.param(b"e=" + b"%" * 64_000, id="malformed-escapes"),
    pytest.param(b"e=" + b"%z" * 2_000, id="as-many-malformed-escapes-as-may-be"),
    pytest.param(b"b=" + b"1" * 64_000, id="digits"),
    pytest.param(b"b=" + b"1_1" * 21_000 + b"x", id="digits-that-are-none-after-all"),
    pytest.param(b"c=2024-01-01T00:00:00." + b"1" * 64_000 + b"x", id="fractions"),
    pytest.param(b"c=" + b"9" * 64_000, id="seconds"),
    *(
        pytest.param(b"&".join(b"%c=" % letter + text * (12_000 // len(text)) for letter in b"abcde"), id=f"all-{name}")
        for name, text in {"quotes": b'"', "backslashes": b"\\", "controls": b"%01", "spaces": b"+"}.items()
    ),
]


@pytest.mark.parametrize("query_string", COSTLY)
def test_no_query_takes_long_or_is_answered_with_much_more_than_it_said(query_string: bytes) -> None:
    assert min(read_all(query_string)[0] for _ in range(5)) < 0.005
    _, refused = read_all(query_string)
    if refused is not None:
        assert len(refused.body()) <= len(query_string) + (8 << 10)
        assert len(refused.detail) <= 4 + 5


def test_more_words_than_there_can_be_are_one_problem() -> None:
    with pytest.raises(InvalidParameters) as caught, Query(b"columns=a,id,b,c,d,e,f") as query:
        query.choices("columns", (), ("id", "name"))
    assert [(problem["loc"], problem["input"]) for problem in caught.value.detail] == [
        (["query", "columns", 0], "a"),
        (["query", "columns", 2], "b,c,d,e,f"),
    ]


@given(st.text(max_size=60), st.text(max_size=60))
@example("%zz", "100%")
@example("\\x41", "\\u0041+ +")
def test_what_is_encoded_as_forms_are_is_read_as_it_was(name: str, value: str) -> None:
    query_string = urlencode({name: value}, errors="surrogatepass").encode()
    with Query(query_string) as query:
        assert query.choice(name, None, (value,)) == value


@given(st.from_regex(rb"\A[%0-9a-f=&+\\xu;N{}]{0,40}\Z"))
def test_a_field_is_what_the_standard_library_makes_of_it(query_string: bytes) -> None:
    fields = dict(parse_qsl(query_string.decode(), keep_blank_values=True))
    for name, value in fields.items():
        with Query(query_string) as query:
            assert query.choice(name, None, (value,)) == value


@given(st.binary(max_size=60))
def test_no_query_string_breaks_it(query_string: bytes) -> None:
    try:
        with Query(query_string + b"&a=" + query_string) as query:
            query.boolean("a", None)
            query.integer("a", None)
            query.moment("a", None)
            query.choices("a", None, ("x",))
    except InvalidParameters as error:
        error.body()
