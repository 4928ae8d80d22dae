"""A TOML file with every setting, commented out, and tables to start from."""

import json
import re
from collections.abc import Iterator

from asgi_downloads.service.own import OwnDirectory
from asgi_downloads.service.setting import Setting, settings_of
from asgi_downloads.service.settings import TABLE

_WIDTH = 40


def example_config() -> str:
    """The text; read as it is, it changes nothing."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Settings of asgi-downloads, as they are by default: take the # away from those that you change."
    yield "# asgi-downloads serve --config THIS_FILE, or DOWNLOADS_CONFIG=THIS_FILE; flags and variables win over it."
    yield ""
    yield from map(_commented, TABLE)
    yield ""
    yield "# A directory of your own, sub-folders and all; as many such tables as you like."
    yield "#[[directories]]"
    yield from map(_commented, settings_of(OwnDirectory))


def _commented(each: Setting) -> str:
    bare = re.fullmatch(r"true|false|0|[1-9][0-9]*|\[.*\]", each.default)
    line = f"#{each.name} = {each.default if bare else json.dumps(each.default)}"
    return f"{line:<{_WIDTH}}  # {each.help}"
