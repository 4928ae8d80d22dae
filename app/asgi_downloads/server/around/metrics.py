"""Counters of answers for Prometheus, right with any number of processes: whichever is asked adds up all.

prometheus-client writes the exposition; its own multi-process mode would leave files behind.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import TYPE_CHECKING

from asgi_downloads.asgi.answer import NO_STORE, send_whole
from asgi_downloads.asgi.exchange import Exchange
from asgi_downloads.asgi.types import ASGIApp, Receive, Scope, Send
from asgi_downloads.http.media_types import NOSNIFF
from asgi_downloads.server.around.exchange import sent_by
from asgi_downloads.server.around.shared_counters import Row, Tally
from asgi_downloads.server.http1.cycle import Cycle

if TYPE_CHECKING:
    from prometheus_client.core import Metric

METHODS = ("GET", "HEAD", "other")
STATUSES = (200, 206, 304, 400, 404, 405, 408, 412, 416, 422, 431, 500, 501, 503)
"""Each has a counter; others count as 0, as do requests that were left before an answer began."""
OUTCOMES = ("complete", "aborted", "stalled", "failed")
SENDERS = ("zerocopy", "blocks", "offload")
FIRST_BYTE = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0)
DURATION = (0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0)
"""Upper bounds of the histograms' buckets, in seconds."""

_REQUESTS = 0
_OUTCOMES = _REQUESTS + len(METHODS) * (len(STATUSES) + 1)
_BYTES = _OUTCOMES + len(OUTCOMES)
_FIRST_BYTE = _BYTES + len(SENDERS)
_DURATION = _FIRST_BYTE + len(FIRST_BYTE) + 2
_ACTIVE = _DURATION + len(DURATION) + 2
_COLUMNS = _ACTIVE + 1

_METHOD = {name: index * (len(STATUSES) + 1) for index, name in enumerate(METHODS)}
_STATUS = {status: index for index, status in enumerate(STATUSES)}


class Metrics:
    """What all processes have counted. One calls `take_row` before it counts."""

    def __init__(self, processes: int) -> None:
        self._tally = Tally(processes, _COLUMNS)
        self._row = self._tally.row(0)

    def take_row(self, number: int) -> None:
        """This process counts in row `number`, on from where the last one ended that had it."""
        self._row = self._tally.row(number)
        self._row[_ACTIVE] = 0

    def ended(self, number: int) -> None:
        """The process of that row is dead, and its downloads with it."""
        self._tally.row(number)[_ACTIVE] = 0

    # -- counting

    def begin(self) -> None:
        """A request is being answered."""
        self._row[_ACTIVE] += 1

    def finish(self, cycle: Cycle) -> None:
        """Its answer has ended."""
        row = self._row
        row[_ACTIVE] -= 1
        self._count(cycle.scope["method"], cycle.status)
        row[_OUTCOMES + OUTCOMES.index(cycle.outcome)] += 1
        row[_BYTES + SENDERS.index(sent_by(cycle))] += cycle.bytes_sent
        if cycle.first_byte_at is not None:
            _observe(row, _FIRST_BYTE, FIRST_BYTE, cycle.first_byte_at - cycle.arrived_at)
        _observe(row, _DURATION, DURATION, monotonic() - cycle.arrived_at)

    def refused(self, status: int) -> None:
        """What was no request was told so."""
        self._count("other", status)

    def _count(self, method: str, status: int) -> None:
        self._row[_REQUESTS + _METHOD.get(method, _METHOD["other"]) + _STATUS.get(status, len(STATUSES))] += 1

    # -- telling

    def collect(self) -> "Iterator[Metric]":
        """For a registry of prometheus-client."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        total = self._tally.total
        requests = CounterMetricFamily("downloads_requests", "Answers", labels=["method", "status"])
        for method, start in _METHOD.items():
            for index, status in enumerate((*STATUSES, 0)):
                if count := total(_REQUESTS + start + index):
                    requests.add_metric([method, str(status) if status else "other"], count)
        yield requests
        outcomes = CounterMetricFamily("downloads_outcomes", "How answers ended", labels=["outcome"])
        for index, outcome in enumerate(OUTCOMES):
            outcomes.add_metric([outcome], total(_OUTCOMES + index))
        yield outcomes
        sent = CounterMetricFamily("downloads_sent_bytes", "Bytes of content that sockets took", labels=["sent_by"])
        for index, sender in enumerate(SENDERS):
            sent.add_metric([sender], total(_BYTES + index))
        yield sent
        yield GaugeMetricFamily("downloads_active", "Answers under way", value=total(_ACTIVE))
        for name, text, start, bounds in (
            ("downloads_first_byte_seconds", "Time to the first byte", _FIRST_BYTE, FIRST_BYTE),
            ("downloads_duration_seconds", "Time to the end of an answer", _DURATION, DURATION),
        ):
            counts = [total(start + index) for index in range(len(bounds) + 1)]
            names = [*map(str, bounds), "+Inf"]
            buckets = [(names[index], sum(counts[: index + 1])) for index in range(len(counts))]
            yield HistogramMetricFamily(name, text, buckets=buckets, sum_value=total(start + len(bounds) + 1))


def _observe(row: Row, start: int, bounds: Sequence[float], value: float) -> None:
    row[start + bisect_left(bounds, value)] += 1
    row[start + len(bounds) + 1] += value


class MetricsEndpoint:
    """An ASGI application around another, which answers `/metrics` itself."""

    def __init__(self, app: ASGIApp, metrics: Metrics, root_path: str) -> None:
        from prometheus_client import CollectorRegistry

        self._app = app
        self._path = root_path + "/metrics"
        self._registry = CollectorRegistry()
        self._registry.register(metrics)
        self.eager = getattr(app, "eager", False)

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
