"""The protocol classes to name on uvicorn's command line: `--http asgi_downloads.server.protocol:AutoZeroCopy`.

`AutoZeroCopy` is `HttpToolsZeroCopy` where httptools is installed and `H11ZeroCopy` elsewhere.
The application finds in its scope, besides the standard extensions, `"asgi_downloads.exact_date"`: every
answer gets a Date that is exact to the second and made after the application's own look at the clock.
"""

from typing import TYPE_CHECKING

from asgi_downloads.server.http1.connection import Connection
from asgi_downloads.server.http1.with_h11 import H11ZeroCopy

if TYPE_CHECKING:
    from asgi_downloads.server.http1.with_httptools import HttpToolsZeroCopy

    AutoZeroCopy: type[Connection] = HttpToolsZeroCopy
else:
    try:
        from asgi_downloads.server.http1.with_httptools import HttpToolsZeroCopy
    except ImportError:
        AutoZeroCopy = H11ZeroCopy
    else:
        AutoZeroCopy = HttpToolsZeroCopy

__all__ = ["AutoZeroCopy", "H11ZeroCopy", "HttpToolsZeroCopy"]
