"""What an ASGI server is told to load, `asgi_downloads.main:app`: our service, set up by the environment."""

from asgi_downloads.service.application import create_app
from asgi_downloads.service.settings import Settings

app = create_app(Settings.from_environment())

__all__ = ["app", "create_app"]
