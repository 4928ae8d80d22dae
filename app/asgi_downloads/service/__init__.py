"""The composition root: settings in, one ASGI application out."""
