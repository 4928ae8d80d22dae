"""Noticing that the client has gone while nothing is being sent, or on servers whose `send` keeps silent."""

from collections.abc import Awaitable, Callable

import anyio

from asgi_downloads.asgi.errors import Disconnected
from asgi_downloads.asgi.types import Receive


async def until_disconnect(receive: Receive, work: Callable[[], Awaitable[None]]) -> None:
    """Run `work`, cancelled as soon as the client hangs up.

    Raises what `work` raises, and `Disconnected` when the client left before the end. Before
    ASGI 2.4 `send` says nothing after a hang-up, so only `receive` can tell.
    """
    failure: Exception = Disconnected()
    done = False
    async with anyio.create_task_group() as group:
        group.start_soon(_cancel_on_disconnect, receive, group.cancel_scope)
        try:
            await work()
            done = True
        except Exception as error:  # kept out of the group, which would wrap it
            failure = error
        group.cancel_scope.cancel()
    if not done:
        raise failure


async def _cancel_on_disconnect(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass  # content of a request that has no use for it (RFC 9110 §9.3.1)
    scope.cancel()
