"""Rows of a database."""
