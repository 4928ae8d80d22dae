"""What the OpenAPI document says of an answer: nothing may come back that it does not know."""

import re
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from asgi_downloads.service.application import create_app
from asgi_downloads.service.openapi import openapi
from asgi_downloads.service.settings import Settings
from tests.conformance.case import Request
from tests.conformance.client import Answer

OF_THE_CONNECTION = {"connection", "content-type", "date", "keep-alive", "server", "transfer-encoding", "x-request-id"}
"""Fields that servers and proxies set, and Content-Type, which stands in the document as the media type."""

OF_THE_SERVER = {400, 408, 413, 414, 431, 501, 503, 505}
"""Statuses of what is no request that an application sees."""

OF_NO_ROUTE = {307, 404, 405, 406} | OF_THE_SERVER


class Document:
    """The document of the service on that data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.document: dict[str, Any] = openapi(create_app(Settings(data_dir=data_dir)).routes)

    def unknown(self, request: Request, answer: Answer) -> list[str]:
        """Status and fields of an answer that the document does not have."""
        if not answer.status or any(name.lower() == "upgrade" for name, _ in request.headers):
            return []
        operation = None if request.raw is not None else self._operation(request)
        if operation is None:
            return [] if answer.status in OF_NO_ROUTE or request.raw is not None else [f"{answer.status} of no route"]
        if str(answer.status) not in operation["responses"]:
            return [] if answer.status in OF_THE_SERVER and answer.closed else [f"status {answer.status}"]
        response = operation["responses"][str(answer.status)]
        known = {name.lower() for name in self.resolved(response)["headers"]} | OF_THE_CONNECTION
        faults = [f"{answer.status} with {name}" for name, _ in answer.headers if name.lower() not in known]
        content_type = (answer.get("content-type") or "").partition(";")[0]
        types = self.resolved(response).get("content", {})
        if content_type and request.method == "GET" and not {content_type, "*/*"} & set(types):
            faults.append(f"{answer.status} as {content_type!r}")
        return faults

    def resolved(self, part: dict[str, Any]) -> dict[str, Any]:
        """What a part refers to, or itself."""
        found: Any = self.document
        for name in part.get("$ref", "").split("/")[1:]:
            found = found[name]
        return part if found is self.document else found

    def _operation(self, request: Request) -> Any:
        path = unquote_to_bytes(request.target.partition(b"?")[0])
        found = self._literal.get(path) or next(
            (each for pattern, each in self._patterns if pattern.fullmatch(path)), None
        )
        return None if found is None else {"GET": found["get"], "HEAD": found["head"]}.get(request.method)

    @cached_property
    def _literal(self) -> dict[bytes, Any]:
        return {path.encode(): each for path, each in self.document["paths"].items() if "{" not in path}

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[bytes], Any]]:
        return [
            (re.compile(re.sub(rb"\\\{\w+\\\}", b"[^/]+", re.escape(path.encode())), re.DOTALL), each)
            for path, each in self.document["paths"].items()
            if "{" in path
        ]
