"""A query of the operator's own: its text, and the values that stand for its placeholders. Pure.

`:name` is a placeholder; quoted text, quoted names, comments and `::` casts are left alone.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

Value = None | int | float | bool | date | datetime | str

_TOKENS = re.compile(
    r"""
    (?P<kept>
        '(?:[^']|'')*'                          # text
      | "(?:[^"]|"")*"                          # a name
      | --[^\n]*                                # a comment to the end of its line
      | /\*                                     # another; `_comment_end` knows where it ends
      | \$(?P<tag>[A-Za-z_]\w*|)\$.*?\$(?P=tag)\$   # text of PostgreSQL, in dollars
      | ::                                      # a cast
    )
  | (?<![\w:]):(?P<name>[A-Za-z_]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"[eE]'(?:[^'\\]|\\.|'')*'", re.DOTALL)
_COMMENT = re.compile(r"/\*|\*/")


@dataclass(frozen=True, slots=True)
class Statement:
    """One query that reads: `sql`, a value for each of its placeholders, and which of its `names` are wanted.

    `names` are all columns that it gives, in order, no two alike; `limit` is in rows.
    """

    sql: str
    values: Mapping[str, Value]
    names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    limit: int | None = None


def pieces(sql: str) -> Iterator[tuple[str, bool]]:
    """The text in pieces, and of each whether it is the name of a placeholder."""
    done = at = 0
    while match := _next(sql, at):
        start, stop, name = match
        if name is not None:
            yield sql[done:start], False
            yield name, True
            done = stop
        at = stop
    yield sql[done:], False


def placeholders(sql: str) -> tuple[str, ...]:
    """The names of its placeholders, each once, in the order of their first use."""
    return tuple(dict.fromkeys(piece for piece, is_name in pieces(sql) if is_name))


def filled(sql: str, write: Callable[[str], str]) -> str:
    """The text with each placeholder replaced by what `write` gives for its name."""
    return "".join(write(piece) if is_name else piece for piece, is_name in pieces(sql))


def _next(sql: str, at: int) -> tuple[int, int, str | None] | None:
    match = _TOKENS.search(sql, at)
    escaped = _ESCAPED.search(sql, at)
    if escaped is not None and (match is None or escaped.start() < match.start()) and _begins_a_word(sql, escaped):
        return escaped.start(), escaped.end(), None
    if match is None:
        return None
    if match["kept"] and match["kept"].startswith("/*"):
        return match.start(), _comment_end(sql, match.start()), None
    return match.start(), match.end(), match["name"]


def _begins_a_word(sql: str, match: "re.Match[str]") -> bool:
    return match.start() == 0 or not (sql[match.start() - 1].isalnum() or sql[match.start() - 1] == "_")


def _comment_end(sql: str, start: int) -> int:
    """Where a comment ends; PostgreSQL's may have others within."""
    depth = 0
    for mark in _COMMENT.finditer(sql, start):
        depth += 1 if mark[0] == "/*" else -1
        if not depth:
            return mark.end()
    return len(sql)


def bare(sql: str) -> str:
    """The query without what may stand behind it: white space, and one semicolon."""
    return sql.strip().removesuffix(";").rstrip()
