"""Files of keys and of revoked links: what is read, what is refused, and how a key is added."""

import logging
import stat
from pathlib import Path

import pytest

from asgi_downloads.endpoints.links.keys import KeysError, LinkKeys, add_key, read_keys

ONE, OTHER = "11" * 32, "22" * 40


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_keys_are_read_in_order(tmp_path: Path) -> None:
    path = write(tmp_path / "keys", f"# ours\n\nnew:{ONE}\n  old:{OTHER.upper()}  \n")
    assert list(read_keys(path).items()) == [("new", bytes.fromhex(ONE)), ("old", bytes.fromhex(OTHER))]


REFUSED = {
    "too few digits": (f"a:{ONE[:-2]}\n", 0o600, "line 1 is not a key"),
    "an odd number of digits": (f"a:{ONE}1\n", 0o600, "line 1 is not a key"),
    "no digits": (f"a:{'xy' * 32}\n", 0o600, "line 1 is not a key"),
    "an id of nine": (f"a12345678:{ONE}\n", 0o600, "line 1 is not a key"),
    "an id twice": (f"a:{ONE}\na:{OTHER}\n", 0o600, "line 2 gives a second key the id 'a'"),
    "nothing": ("# none\n", 0o600, "has no key"),
    "readable by others": (f"a:{ONE}\n", 0o604, "others may read it"),
    "writable by others": (f"a:{ONE}\n", 0o602, "others may read it"),
    "no text": (f"a:{ONE}\né\n", 0o600, "is no text"),
}


@pytest.mark.parametrize(("text", "mode", "says"), REFUSED.values(), ids=REFUSED)
def test_a_file_of_keys_that_cannot_be_used_is_refused(text: str, mode: int, says: str, tmp_path: Path) -> None:
    with pytest.raises(KeysError) as caught:
        read_keys(write(tmp_path / "keys", text, mode))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert ONE[:-2] not in str(caught.value)


def test_a_file_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="cannot be read: No such file"):
        read_keys(tmp_path / "keys")


def test_a_fresh_key_signs_and_the_others_still_verify(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    first = add_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    second = add_key(path)
    assert list(read_keys(path)) == [second, first]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_key_is_not_added_where_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="cannot be written"):
        add_key(tmp_path / "none" / "keys")


def test_what_cannot_be_used_changes_nothing_and_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, revoked = write(tmp_path / "keys", f"a:{ONE}\n"), write(tmp_path / "revoked", f"{ONE}\n", 0o644)
    keys = LinkKeys(path, revoked)
    write(path, f"b:{OTHER}\n")
    write(revoked, "no hash\n")
    with caplog.at_level(logging.ERROR, "asgi_downloads"):
        keys.read_anew()
    assert (list(keys.keys), sorted(keys.revoked)) == (["a"], [ONE])
    assert len(caplog.records) == 1
    write(revoked, f"{ONE}\n{'AB' * 32}\n")
    keys.read_anew()
    assert (list(keys.keys), sorted(keys.revoked)) == (["b"], [ONE, "ab" * 32])
