"""File downloads for Python sites, as plain ASGI callables. The names below are public; all else may change.

They are imported when they are first used: `import asgi_downloads` alone imports neither uvicorn nor the service.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asgi_downloads.asgi.parameter import Parameter
    from asgi_downloads.asgi.router import Route
    from asgi_downloads.endpoints.links.signing import sign_link
    from asgi_downloads.responses.file import FileResponse
    from asgi_downloads.responses.files import Files
    from asgi_downloads.responses.rows import CSVResponse, JSONLinesResponse
    from asgi_downloads.responses.spooled import SpooledResponse
    from asgi_downloads.responses.zip import ZipResponse
    from asgi_downloads.server.process.run import run
    from asgi_downloads.service.application import create_app, lifespan
    from asgi_downloads.service.openapi import openapi
    from asgi_downloads.service.own import OwnDirectory, OwnExport
    from asgi_downloads.service.settings import Settings

    __version__: str

__all__ = [
    "CSVResponse",
    "FileResponse",
    "Files",
    "JSONLinesResponse",
    "OwnDirectory",
    "OwnExport",
    "Parameter",
    "Route",
    "Settings",
    "SpooledResponse",
    "ZipResponse",
    "__version__",
    "create_app",
    "lifespan",
    "openapi",
    "run",
    "sign_link",
]

_HOMES = {
    "CSVResponse": "asgi_downloads.responses.rows",
    "FileResponse": "asgi_downloads.responses.file",
    "Files": "asgi_downloads.responses.files",
    "JSONLinesResponse": "asgi_downloads.responses.rows",
    "SpooledResponse": "asgi_downloads.responses.spooled",
    "ZipResponse": "asgi_downloads.responses.zip",
    "OwnDirectory": "asgi_downloads.service.own",
    "OwnExport": "asgi_downloads.service.own",
    "Parameter": "asgi_downloads.asgi.parameter",
    "Route": "asgi_downloads.asgi.router",
    "Settings": "asgi_downloads.service.settings",
    "create_app": "asgi_downloads.service.application",
    "lifespan": "asgi_downloads.service.application",
    "openapi": "asgi_downloads.service.openapi",
    "sign_link": "asgi_downloads.endpoints.links.signing",
    "run": "asgi_downloads.server.process.run",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("asgi-downloads")
        except PackageNotFoundError:  # run from a checkout that nobody has installed
            return "0.0.0+checkout"
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
