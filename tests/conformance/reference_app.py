"""The reference for a server to load: `uvicorn tests.conformance.reference_app:app` with `DOWNLOADS_DATA_DIR` set."""

import os
from pathlib import Path

from tests.conformance.reference import create_app

app = create_app(Path(os.environ["DOWNLOADS_DATA_DIR"]))
