"""Parameters as declarations: from one of them a value is read, refused, and described."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from asgi_downloads.http.parameters import Query

ParameterType = Literal["integer", "number", "boolean", "date", "datetime", "text"]

Value = None | int | float | bool | date | datetime | str

MOST = (1 << 63) - 1
"""What a database's whole numbers go up to; down to one more."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter, as it is read and as it is described.

    `default` is used where it is absent; with `choices` it is one of those texts.
    """

    name: str
    type: ParameterType | Literal["flag", "words"] = "text"
    """A flag is there or not, whatever its value; words have commas between, and the endpoint knows which there are."""
    required: bool = False
    default: Value = None
    choices: tuple[str, ...] = ()
    least: int = -MOST - 1
    most: int = MOST
    """Of a whole number, both inclusive."""
    help: str = ""
    """A line for who asks."""

    def read(self, query: Query) -> Value:
        """The value; a moment without a zone is in UTC. What cannot be used is noted in `query`."""
        if self.required and query.missing(self.name):
            return None
        if self.choices:
            return query.choice(self.name, self.default, self.choices)
        if self.type == "integer":
            return query.integer(self.name, self.default, ge=self.least, le=self.most)
        if self.type == "number":
            return query.number(self.name, self.default)
        if self.type == "boolean":
            return query.boolean(self.name, self.default)
        if self.type == "date":
            return query.date(self.name, self.default)
        if self.type == "datetime":
            found = query.moment(self.name, self.default)
            return found.replace(tzinfo=UTC) if isinstance(found, datetime) and found.tzinfo is None else found
        return query.text(self.name, self.default)
