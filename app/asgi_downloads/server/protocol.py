"""The protocol classes to name on uvicorn's command line: `--http app.server.protocol:AutoZeroCopy`.

`AutoZeroCopy` is `HttpToolsZeroCopy` where httptools is installed and `H11ZeroCopy` elsewhere.
The application finds in its scope, besides the standard extensions, `"app.exact_date"`: every
answer gets a Date that is exact to the second and made after the application's own look at the clock.
"""

from typing import TYPE_CHECKING

from app.server.connection import Connection
from app.server.with_h11 import H11ZeroCopy

if TYPE_CHECKING:
    from app.server.with_httptools import HttpToolsZeroCopy

    AutoZeroCopy: type[Connection] = HttpToolsZeroCopy
else:
    try:
        from app.server.with_httptools import HttpToolsZeroCopy
    except ImportError:
        AutoZeroCopy = H11ZeroCopy
    else:
        AutoZeroCopy = HttpToolsZeroCopy

__all__ = ["AutoZeroCopy", "H11ZeroCopy", "HttpToolsZeroCopy"]
