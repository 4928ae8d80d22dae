"""Names that are hidden, whatever their case."""

import pytest

from asgi_downloads.storage.files.hidden import NOTHING, Hidden

DEFAULT = Hidden((".*", "*.part", "*~"))

CASES = [
    (DEFAULT, ".env", True),
    (DEFAULT, ".", True),
    (DEFAULT, "..", True),
    (DEFAULT, "film.mp4.part", True),
    (DEFAULT, "FILM.PART", True),
    (DEFAULT, "notes~", True),
    (DEFAULT, "notes", False),
    (DEFAULT, "part", False),
    (DEFAULT, "a.b", False),
    (DEFAULT, "", False),
    (DEFAULT, ".a\nb", True),
    (Hidden(("[ab]?",)), "a1", True),
    (Hidden(("[ab]?",)), "c1", False),
    (Hidden(("x\udcff*",)), "x\udcffy", True),
    (NOTHING, ".env", False),
]


@pytest.mark.parametrize(("hidden", "name", "want"), CASES, ids=repr)
def test_a_name_is_hidden_by_patterns(hidden: Hidden, name: str, want: bool) -> None:
    assert hidden.hides(name) is want


@pytest.mark.parametrize(
    ("path", "want"),
    [("a/b", False), ("a/.git/config", True), (".git/config", True), ("a/b~", True), ("", False), ("a/", False)],
)
def test_a_path_is_hidden_by_any_of_its_names(path: str, want: bool) -> None:
    assert DEFAULT.hides_any(path) is want
