"""Bytes to a socket."""
