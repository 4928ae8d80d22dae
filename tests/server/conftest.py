"""Fixtures of the server's tests."""

from tests.server.serving import setup

__all__ = ["setup"]
