"""Who is let in: never more than the limit over all processes, and a place that is left is free."""

from dataclasses import dataclass

import pytest

from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.server.around.admission import Admission, Admitted
from tests.support.asgi import exchange


@dataclass(frozen=True)
class Case:
    id: str
    in_all: int
    per_client: int
    clients: tuple[str, ...]
    let_in: tuple[bool, ...]


CASES = [
    Case("in-all", 2, 0, ("a", "b", "c"), (True, True, False)),
    Case("per-client", 0, 1, ("192.0.2.1", "192.0.2.1", "192.0.2.2"), (True, False, True)),
    Case("both", 2, 1, ("a", "a", "b", "c"), (True, False, True, False)),
    Case("ipv6-by-network", 0, 1, ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"), (True, False, True)),
    Case("unix-socket", 0, 1, ("", ""), (True, False)),
    Case("no-address", 0, 1, ("a:b", "a:b"), (True, False)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_so_many_and_no_more(case: Case) -> None:
    admission = Admission(1, case.in_all, case.per_client)
    assert tuple(map(admission.enter, case.clients)) == case.let_in
    for client, inside in zip(case.clients, case.let_in, strict=True):
        if inside:
            admission.leave(client)
    assert tuple(map(admission.enter, case.clients)) == case.let_in


def test_processes_count_together_and_the_dead_do_not_count() -> None:
    admission = Admission(2, 2, 0)
    admission.take_row(1)
    assert admission.enter("a")
    admission.take_row(2)
    assert admission.enter("a")
    assert not admission.enter("a")
    admission.ended(1)
    assert admission.enter("a")


def test_who_is_sent_away_is_told_when_to_come_again_and_probes_always_get_in() -> None:
    admission = Admission(1, 1, 0)
    seen: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/outer":
            inner = exchange_inside(guarded, "/download/a")
            seen.append(await inner)
            seen.append(await exchange_inside(guarded, "/x/livez"))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    guarded = Admitted(app, admission, ["/x/livez"])
    assert exchange(guarded, "/outer").status == 200
    assert seen == [503, 200]
    assert exchange(guarded, "/outer").status == 200, "who has left counts no more"

    full = Admission(1, 1, 0)
    assert full.enter("somebody")
    answer = exchange(Admitted(app, full, []), "/download/a")
    assert answer.status == 503
    assert answer.headers[b"retry-after"] == b"5"
    assert answer.content == b'{"detail":"Too many downloads"}'
    assert exchange(Admitted(app, full, []), "/download/a", "HEAD").content == b""


async def exchange_inside(app: Admitted, path: str) -> int:
    """One more request while another is being answered; its status."""
    from tests.support.asgi import Recorder, http_scope

    recorder = Recorder(http_scope(path))
    await app(recorder.scope, recorder.receive, recorder.send)
    return recorder.status
