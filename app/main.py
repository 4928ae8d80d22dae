"""`uvicorn app.main:app` in a checkout; installed, `uvicorn asgi_downloads.main:app`."""

from asgi_downloads.main import app, create_app

__all__ = ["app", "create_app"]
