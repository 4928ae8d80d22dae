"""Subtitles beside a film: which, in which language, and SubRip as browsers take it."""

import time

import pytest

from asgi_downloads.endpoints.browse.subtitles import MOST, tracks, webvtt
from asgi_downloads.storage.files.entries import Entry


def found(film: str, *names: str) -> str:
    return tracks(film, [Entry("", name, 0, 0) for name in names])


def test_those_called_as_the_film_the_first_by_default() -> None:
    names = ("film 1.de.srt", "film 1.mp4", "film 1.vtt", "film 1.pt-BR.VTT", "film 1/", "film 10.srt", "film.srt")
    assert found("film 1.mp4", *names) == (
        '<track kind="subtitles" src="./film%201.de.srt?vtt" label="de" srclang="de" default>'
        '<track kind="subtitles" src="./film%201.vtt" label="Subtitles">'
        '<track kind="subtitles" src="./film%201.pt-BR.VTT" label="pt-BR" srclang="pt-BR">'
    )


def test_a_language_that_is_none_is_a_label_only() -> None:
    assert found("f.mkv", 'f."><script>.srt') == (
        '<track kind="subtitles" src="./f.%22%3E%3Cscript%3E.srt?vtt" label="&quot;&gt;&lt;script&gt;" default>'
    )
    assert found("f.mkv") == ""


SUBRIP = {
    "as it should be": (
        b"1\n00:00:01,000 --> 00:00:02,500\nHello, 1,5\n\n2\n00:01:00,000-->00:01:01,000\nBye\n",
        "1\n00:00:01.000 --> 00:00:02.500\nHello, 1,5\n\n2\n00:01:00.000-->00:01:01.000\nBye\n",
    ),
    "with a mark and lines of Windows": (
        b"\xef\xbb\xbf1\r\n00:00:01,000 --> 00:00:02,500\r\nHi\r\n",
        "1\n00:00:01.000 --> 00:00:02.500\nHi\n",
    ),
    "of Windows-1252": (b"1\n00:00:01,000 --> 00:00:02,500\ncaf\xe9\n", "1\n00:00:01.000 --> 00:00:02.500\ncafé\n"),
    "with places on the screen": (
        b"1\n00:00:01,000 --> 00:00:02,500  X1:100 X2:200\nHi\n",
        "1\n00:00:01.000 --> 00:00:02.500  X1:100 X2:200\nHi\n",
    ),
    "an hour of one digit": (
        b"1\n0:00:01,000 --> 0:00:02,500\nHi\n",
        "1\n0:00:01.000 --> 0:00:02.500\nHi\n",
    ),
    "with points already": (b"1\n00:00:01.000 --> 00:00:02.500\nHi\n", "1\n00:00:01.000 --> 00:00:02.500\nHi\n"),
    "empty": (b"", ""),
}


@pytest.mark.parametrize("title", SUBRIP)
def test_subrip(title: str) -> None:
    content, wanted = SUBRIP[title]
    assert webvtt(content).decode() == f"WEBVTT\n\n{wanted}"


HOSTILE = [b"1" * MOST, b"0:" * (MOST // 2), b"00:00:01,000 -->" * (MOST // 16), b"1,\n" * 10**6]


@pytest.mark.parametrize("content", HOSTILE, ids=lambda content: content[:16])
def test_hostile_subtitles_cost_little(content: bytes) -> None:
    begun = time.process_time()
    webvtt(content)
    assert time.process_time() - begun < 2
