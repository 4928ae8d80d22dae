"""The sample tree: something to serve for every URL, the same bytes on every machine and every run.

Standard library only, and nothing of the service is needed to make it.
"""

from asgi_downloads.demo.tree import DemoError, commands, is_demo, write_demo

__all__ = ["DemoError", "commands", "is_demo", "write_demo"]
