"""What an ASGI server is told to load: `asgi_downloads.main:app`, or `asgi_downloads.main:create_app` as a factory."""

from asgi_downloads.service.application import create_app

app = create_app()

__all__ = ["app", "create_app"]
