"""Limits as the environment sets them."""

import pytest

from asgi_downloads.server.http1.limits import Limits


@pytest.mark.parametrize(("text", "seconds"), [("5", 5.0), ("0.5", 0.5), ("", 30.0)])
def test_the_stall_time_is_a_setting(text: str, seconds: float) -> None:
    assert Limits.from_environment({"DOWNLOADS_STALL_TIMEOUT": text}).stall_seconds == seconds


def test_without_a_setting_the_defaults_stand() -> None:
    assert Limits.from_environment({}) == Limits(head_bytes=65536, head_seconds=20.0, stall_seconds=30.0)


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf"])
def test_a_stall_time_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="DOWNLOADS_STALL_TIMEOUT"):
        Limits.from_environment({"DOWNLOADS_STALL_TIMEOUT": text})
