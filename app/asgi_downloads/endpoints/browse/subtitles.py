"""Subtitles beside a film: SubRip is made into what browsers show."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from asgi_downloads.endpoints.browse import words
from asgi_downloads.storage.files.entries import Entry

MOST = 4 << 20
"""Bytes of a file of subtitles."""
_COMMA = re.compile(r"^((?:\d+:)?\d+:\d+),(\d+ *--> *(?:\d+:)?\d+:\d+),(\d+)", re.MULTILINE | re.ASCII)
_LANGUAGE = re.compile("[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def tracks(film: str, entries: Iterable[Entry]) -> str:
    """Elements for the `.vtt` and `.srt` files that are called as the film is, with or without a language."""
    stem = PurePosixPath(film).stem
    found: list[str] = []
    for entry in entries:
        name, _, ending = entry.name.rpartition(".")
        if ending.lower() not in ("vtt", "srt") or not (name == stem or name.startswith(f"{stem}.")):
            continue
        language = name[len(stem) + 1 :]
        known = f' srclang="{language}"' if _LANGUAGE.fullmatch(language) else ""
        label = words.visible(language or "Subtitles")
        as_vtt = "?vtt" if ending.lower() == "srt" else ""
        default = " default" if not found else ""
        source = f"./{words.encoded(entry.name)}{as_vtt}"
        found.append(f'<track kind="subtitles" src="{source}" label="{label}"{known}{default}>')
    return "".join(found)


def webvtt(subrip: bytes) -> bytes:
    """Cues of SubRip in WebVTT, whose times have a point where SubRip's have a comma."""
    try:
        text = subrip.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = subrip.decode("cp1252", "replace")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return ("WEBVTT\n\n" + _COMMA.sub(r"\1.\2.\3", text)).encode()
