"""What stands around the application in our runner, each part only if a setting asks for it.

Made before workers are forked, so that they share what they count in; nothing that is off is
on the way of a request.
"""

import asyncio
import importlib.util

from asgi_downloads.asgi.cors import Cors
from asgi_downloads.asgi.types import ASGIApp
from asgi_downloads.server.around.access_log import AccessLog
from asgi_downloads.server.around.admission import Admission, Admitted
from asgi_downloads.server.around.forwarded import Forwarded
from asgi_downloads.server.around.metrics import Metrics, MetricsEndpoint
from asgi_downloads.server.around.observation import Observed, record, refusal
from asgi_downloads.server.around.rate_limit import RateLimited
from asgi_downloads.server.errors import StartError
from asgi_downloads.server.http1.connection import Observer
from asgi_downloads.server.http1.cycle import Cycle
from asgi_downloads.service.settings import Settings


class Surroundings:
    """Parts that these settings ask for. Raises `StartError` for one that is not installed."""

    def __init__(self, settings: Settings) -> None:
        if settings.metrics and importlib.util.find_spec("prometheus_client") is None:
            raise StartError("metrics need prometheus-client: pip install 'asgi-downloads[metrics]'")
        self._settings = settings
        self._log = AccessLog.of(settings.access_log_format) if settings.access_log else None
        self._metrics = Metrics(settings.workers) if settings.metrics else None
        limited = settings.max_downloads or settings.max_downloads_per_client
        self._admission = (
            Admission(settings.workers, settings.max_downloads, settings.max_downloads_per_client) if limited else None
        )

        self._counters = [part for part in (self._metrics, self._admission) if part is not None]

    # -- processes

    def take_row(self, number: int) -> None:
        """This process is number `number`."""
        for part in self._counters:
            part.take_row(number)

    def ended(self, number: int) -> None:
        """Process `number` is dead."""
        for part in self._counters:
            part.ended(number)

    def close(self) -> None:
        """This process is about to end."""
        if self._log is not None:
            self._log.close()

    # -- requests

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application with all that is wanted around it."""
        settings = self._settings
        routes = getattr(getattr(app, "app", app), "routes", ())  # uvicorn wraps what it traces
        probes = [settings.root_path + route.template for route in routes if getattr(route, "probe", False)]
        if settings.rate_limit:
            app = RateLimited(app, settings.rate_limit)
        if self._admission is not None:
            app = Admitted(app, self._admission, probes)
        if self._metrics is not None:
            app = MetricsEndpoint(app, self._metrics, settings.root_path)
        if settings.cors_origins:  # what is refused here, too
            app = Cors(app, settings.cors_origins)
        if self._log is not None or self._metrics is not None:
            app = Observed(app, None if self._metrics is None else self._metrics.begin)
        if settings.forwarded_allow_ips:
            app = Forwarded(app, settings.forwarded_allow_ips)
        return app

    # -- what the connections tell

    def observer(self) -> Observer | None:
        """Who is told of answers; None where nobody wants to know."""
        return None if self._log is None and self._metrics is None else self

    def finished(self, cycle: Cycle) -> None:
        """An answer has ended, well or not."""
        if self._metrics is not None:
            self._metrics.finish(cycle)
        if self._log is not None:
            self._log.add(record(cycle), asyncio.get_running_loop())

    def refused(self, status: int, client: tuple[str, int] | None) -> None:
        """What was no request was answered with `status`."""
        if self._metrics is not None:
            self._metrics.refused(status)
        if self._log is not None:
            self._log.add(refusal(status, client), asyncio.get_running_loop())
