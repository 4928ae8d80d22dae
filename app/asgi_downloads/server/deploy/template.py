"""Texts with gaps: `%{name}` is filled in, and lines between `%if name` and `%end` are there only for a value that is.

The texts lie beside this module; everything else in them is as it will be printed.
"""

import re
from collections.abc import Mapping
from importlib.resources import files
from textwrap import indent

_GAP = re.compile(r"%\{(\w+)\}")


def fill(name: str, values: Mapping[str, object], margin: int = 0) -> str:
    """The text of that name with all gaps filled, `margin` columns in. `KeyError` for a gap without a value."""
    lines = []
    wanted = True
    for line in (files(__package__) / "templates" / name).read_text("utf-8").splitlines():
        if line.startswith("%if "):
            wanted = bool(values[line.removeprefix("%if ")])
        elif line == "%end":
            wanted = True
        elif wanted:
            lines.append(_GAP.sub(lambda gap: str(values[gap[1]]), line))
    return indent("\n".join(lines) + "\n", " " * margin)
