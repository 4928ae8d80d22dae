"""`python -m app` in a checkout; installed, `python -m asgi_downloads` or `asgi-downloads`."""

import sys

from asgi_downloads.__main__ import main

sys.exit(main())
