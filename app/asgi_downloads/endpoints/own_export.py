"""`/export/{name}`: the rows of a query of the operator's own."""

import time

from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.parameter import Parameter
from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.endpoints.export import (
    Clock,
    export_error,
    missing_extra,
    read_form,
    read_limit,
    refuse_repeated,
    send_export,
    stamp,
)
from asgi_downloads.http.errors import HTTPError
from asgi_downloads.http.parameters import Query
from asgi_downloads.storage.errors import MissingExtra, StorageError, Unusable
from asgi_downloads.storage.rows.source import RowSource
from asgi_downloads.storage.rows.statement import Statement


class ExportOwn:
    """The rows of `sql`, whose placeholders are `parameters`; within `timeout` seconds, or as all exports are."""

    def __init__(
        self,
        name: str,
        sql: str,
        source: RowSource | MissingExtra,
        parameters: tuple[Parameter, ...] = (),
        filename: str = "{now}",
        timeout: float | None = None,
        clock: Clock = time.time,
    ) -> None:
        self.name = name
        self.sql = sql
        self.source = source
        self.parameters = parameters
        self.filename = filename
        self.timeout = timeout
        self.clock = clock
        self._names: tuple[str, ...] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        if isinstance(self.source, MissingExtra):
            raise missing_extra(self.source)
        try:
            names = self._names or await exchange.while_connected(self.describe)
        except StorageError as error:
            raise export_error(error, self.name) from error
        with Query(exchange.query_string) as query:
            notation, columns = read_form(query, names)
            limit = read_limit(query)
            values = {parameter.name: parameter.read(query) for parameter in self.parameters}
        refuse_repeated(columns)
        blocks = self.source.lines(Statement(self.sql, values, names, columns, limit), notation, self.timeout)
        filename = self.filename.replace("{now}", stamp(self.clock)).removesuffix(f".{notation.suffix}")
        try:
            await send_export(exchange, blocks, notation, filename, self.name)
        except HTTPError:
            self._names = ()  # somebody may have altered the tables
            raise

    async def describe(self) -> tuple[str, ...]:
        """The columns of the query. Raises as `RowSource.describe`, and `Unusable` for two of one name."""
        assert not isinstance(self.source, MissingExtra)
        names = await self.source.describe(Statement(self.sql, dict.fromkeys(self._placeholders)))
        if len(set(names)) < len(names):
            raise Unusable(f"two columns have one name: {', '.join(names)}")
        self._names = names
        return names

    @property
    def _placeholders(self) -> tuple[str, ...]:
        return tuple(parameter.name for parameter in self.parameters)
