"""Programs that some tests need beside Python."""

import os
import shutil

import pytest


def require(*names: str) -> None:
    """Skip the test when a program is missing; with CI=true fail instead, since there all are expected."""
    missing = [name for name in names if shutil.which(name) is None]
    if not missing:
        return
    reason = "not installed: " + ", ".join(missing)
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
