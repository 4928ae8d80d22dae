"""Placeholders are found where they are meant, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_downloads.storage.rows.statement import bare, filled, pieces, placeholders

FOUND = [
    ("SELECT 1", ()),
    ("SELECT :a", ("a",)),
    ("SELECT :a, :b_2, :a", ("a", "b_2")),
    ("WHERE x>=:since AND y<:until", ("since", "until")),
    ("(:a)", ("a",)),
    ("SELECT 'a :b c'", ()),
    ("SELECT 'it''s :b', :c", ("c",)),
    ('SELECT ":b" FROM ":c"', ()),
    ("SELECT x::int, :a::text", ("a",)),
    ("SELECT x :: int", ()),
    ("SELECT 1 -- :b\n, :c", ("c",)),
    ("SELECT 1 -- it's\n, :c", ("c",)),
    ("SELECT /* :b */ :c", ("c",)),
    ("SELECT /* /* :b */ :d */ :c", ("c",)),
    ("SELECT /* it's */ :c", ("c",)),
    ("SELECT $$ :b $$, :c", ("c",)),
    ("SELECT $x$ $$ :b $$ $x$, :c", ("c",)),
    ("SELECT E'\\' :b', :c", ("c",)),
    ("SELECT e'\\\\', :c", ("c",)),
    ("SELECT name'\\', :c", ("c",)),
    ("SELECT a[1:2], :c", ("c",)),
    ("SELECT a[:lo]", ("lo",)),
    ("SELECT '10:30', :c", ("c",)),
    ("SELECT 'open :b", ("b",)),
    ("SELECT /* open :b", ()),
    (":a", ("a",)),
    ("", ()),
    (":", ()),
    ("SELECT :1", ()),
    ("SELECT a:b", ()),
]


@pytest.mark.parametrize(("sql", "want"), FOUND, ids=repr)
def test_placeholders_are_found(sql: str, want: tuple[str, ...]) -> None:
    assert placeholders(sql) == want
    assert "".join(f":{piece}" if is_name else piece for piece, is_name in pieces(sql)) == sql


@given(st.text(alphabet=":'\"$-/*\\\n ab1E[]", max_size=30))
def test_nothing_of_the_text_is_lost(sql: str) -> None:
    assert filled(sql, lambda name: f":{name}") == sql
    for name in placeholders(sql):
        assert f":{name}" in sql


@pytest.mark.parametrize(
    ("sql", "want"), [(" SELECT 1 ; \n", "SELECT 1"), ("SELECT ';'", "SELECT ';'"), ("SELECT 1;;", "SELECT 1;")]
)
def test_what_may_stand_behind_a_query_goes(sql: str, want: str) -> None:
    assert bare(sql) == want
