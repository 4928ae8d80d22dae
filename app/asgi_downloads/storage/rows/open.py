"""Which source of rows a database URL names."""

from asgi_downloads.storage.errors import MissingExtra
from asgi_downloads.storage.rows.source import QUERY_TIMEOUT, RowSource


def open_rows(url: str, connections: int = 8, query_timeout: float = QUERY_TIMEOUT) -> RowSource | MissingExtra:
    """The source that `sqlite:///path` (`sqlite:////path` if absolute) or `postgresql://...` names; opens nothing yet.

    `connections` bounds those to a server; a file has a bound of its own. `query_timeout` is in seconds. Returns
    `MissingExtra` when the driver is not installed, for endpoints to answer with; raises `ValueError` for another URL.
    """
    scheme, mark, rest = url.partition("://")
    if mark and scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        from asgi_downloads.storage.rows.sqlite import SQLiteRows

        return SQLiteRows(rest[1:], query_timeout=query_timeout)
    if mark and scheme in ("postgresql", "postgres"):
        try:
            from asgi_downloads.storage.rows.postgres import PostgresRows
        except ModuleNotFoundError:
            return MissingExtra("postgres")
        return PostgresRows(url, connections=connections, query_timeout=query_timeout)
    raise ValueError(f"not a database URL that can be used: {scheme}{mark}...")
