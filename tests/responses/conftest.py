"""The application of the endpoints, whose answers the response classes make."""

from tests.endpoints.conftest import app, data

__all__ = ["app", "data"]
