"""Counters of answers for Prometheus, right with any number of processes: whichever is asked adds up all.

prometheus-client writes the exposition; its own multi-process mode would leave files behind.
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from time import monotonic
from typing import TYPE_CHECKING

from asgi_downloads.asgi.answer import NO_STORE, send_whole
from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.types import ASGIApp, Receive, Scope, Send
from asgi_downloads.http.media_types import NOSNIFF
from asgi_downloads.server.around.observation import sent_by
from asgi_downloads.server.around.shared_counters import Counters
from asgi_downloads.server.http1.cycle import Cycle

if TYPE_CHECKING:
    from prometheus_client.core import Metric

METHODS = ("GET", "HEAD", "other")
STATUSES = (200, 206, 304, 400, 404, 405, 408, 412, 414, 416, 422, 431, 500, 501, 503, "other")
"""Each has a counter; requests that were left before an answer began are among the others."""
OUTCOMES = ("complete", "aborted", "stalled", "failed")
SENDERS = ("zerocopy", "blocks", "offload")
BOUNDS = {
    "first_byte": (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0),
    "duration": (0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0),
}
"""Upper bounds of the histograms' buckets, in seconds; a last bucket has the rest."""

_CELLS: tuple[tuple[object, ...], ...] = (
    ("active",),  # 0, the only one that says what is now
    *((method, status) for method in METHODS for status in STATUSES),
    *((outcome,) for outcome in OUTCOMES),
    *((sender,) for sender in SENDERS),
    *((name, number) for name, bounds in BOUNDS.items() for number in range(len(bounds) + 1)),
    *((name, "sum") for name in BOUNDS),
)
_COLUMN = {cell: column for column, cell in enumerate(_CELLS)}


class Metrics(Counters):
    """What all processes have counted. One calls `take_row` before it counts."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers, len(_CELLS), present=1)

    # -- counting

    def begin(self) -> None:
        """A request is being answered."""
        self.row[0] += 1

    def finish(self, cycle: Cycle) -> None:
        """Its answer has ended."""
        row = self.row
        row[0] -= 1
        self._count(cycle.scope["method"], cycle.status)
        row[_COLUMN[cycle.outcome,]] += 1
        row[_COLUMN[sent_by(cycle),]] += cycle.bytes_sent
        if cycle.first_byte_at is not None:
            self._observe("first_byte", cycle.first_byte_at - cycle.arrived_at)
        self._observe("duration", monotonic() - cycle.arrived_at)

    def refused(self, status: int) -> None:
        """What was no request was told so."""
        self._count("other", status)

    def _count(self, method: str, status: int) -> None:
        method = method if method in METHODS else "other"
        self.row[_COLUMN.get((method, status), _COLUMN[method, "other"])] += 1

    def _observe(self, name: str, seconds: float) -> None:
        self.row[_COLUMN[name, bisect_left(BOUNDS[name], seconds)]] += 1
        self.row[_COLUMN[name, "sum"]] += seconds

    # -- telling

    def collect(self) -> "Iterator[Metric]":
        """For a registry of prometheus-client."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        def total(*cell: object) -> float:
            return self.total(_COLUMN[cell])

        requests = CounterMetricFamily("downloads_requests", "Answers", labels=["method", "status"])
        for method in METHODS:
            for status in STATUSES:
                if count := total(method, status):
                    requests.add_metric([method, str(status)], count)
        yield requests
        outcomes = CounterMetricFamily("downloads_outcomes", "How answers ended", labels=["outcome"])
        for outcome in OUTCOMES:
            outcomes.add_metric([outcome], total(outcome))
        yield outcomes
        sent = CounterMetricFamily("downloads_sent_bytes", "Bytes of content that sockets took", labels=["sent_by"])
        for sender in SENDERS:
            sent.add_metric([sender], total(sender))
        yield sent
        yield GaugeMetricFamily("downloads_active", "Answers under way", value=total("active"))
        for name, text in (("first_byte", "Time to the first byte"), ("duration", "Time to the end of an answer")):
            counts = accumulate(total(name, number) for number in range(len(BOUNDS[name]) + 1))
            buckets = list(zip((*map(str, BOUNDS[name]), "+Inf"), counts, strict=True))
            yield HistogramMetricFamily(f"downloads_{name}_seconds", text, buckets, total(name, "sum"))


class MetricsEndpoint:
    """ASGI application around another, which answers `/metrics` itself."""

    def __init__(self, app: ASGIApp, metrics: Metrics, root_path: str) -> None:
        from prometheus_client import CollectorRegistry

        self._app = app
        self._path = root_path + "/metrics"
        self._registry = CollectorRegistry()
        self._registry.register(metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        from prometheus_client.exposition import choose_encoder

        accepted = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1")
        encode, content_type = choose_encoder(accepted)
        content = encode(self._registry)
        headers = [
            (b"content-type", content_type.encode("latin-1")),
            (b"content-length", b"%d" % len(content)),
            NO_STORE,
            NOSNIFF,
        ]
        await send_whole(Exchange(scope, receive, send), 200, headers, content)
