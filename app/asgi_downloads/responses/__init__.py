"""Answers with content of a known length or in blocks; each takes a body and sends it."""
