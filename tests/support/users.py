"""A user to whom something can be forbidden, as CI runs as root."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def as_nobody(place: Path) -> Iterator[None]:
    """Run as an ordinary user, all threads of this process, who may enter `place`."""
    if os.geteuid():
        yield
        return
    for above in (place, *place.parents[:-1]):
        above.chmod(above.stat().st_mode | 0o055)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
