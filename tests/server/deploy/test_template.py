"""Gaps are filled, and a gap without a value is an error."""

import pytest

from asgi_downloads.server.deploy.template import fill

VALUES = {"address": "/run/s", "backlog": 7, "unix": True}


def test_gaps_are_filled_and_lines_are_there_if_they_are_wanted() -> None:
    filled = fill("systemd.socket", VALUES)
    assert "ListenStream=/run/s\nBacklog=7\n" in filled
    assert "SocketMode=" in filled
    assert "SocketMode=" not in fill("systemd.socket", {**VALUES, "unix": False})
    assert "%" not in filled


def test_a_margin_moves_all_but_empty_lines() -> None:
    plain = fill("systemd.socket", VALUES).splitlines()
    assert fill("systemd.socket", VALUES, 4).splitlines() == [line and f"    {line}" for line in plain]


def test_a_gap_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        fill("systemd.socket", {"unix": False})
