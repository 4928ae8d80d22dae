"""Processes: run, supervise, listen, end."""
