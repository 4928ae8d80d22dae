"""Answers with content of a known length or in blocks: ASGI callables on the caller's own paths and rows."""
