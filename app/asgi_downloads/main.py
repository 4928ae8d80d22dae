"""What an ASGI server is told to load: `app.main:app`, or `app.main:create_app` as a factory."""

from app.application import create_app

app = create_app()

__all__ = ["app", "create_app"]
