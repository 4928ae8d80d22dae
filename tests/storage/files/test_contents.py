"""What an archive is asked to hold, and what is found of it."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from asgi_downloads.storage.errors import Busy, NotFound
from asgi_downloads.storage.files.contents import Folder, Gathered
from asgi_downloads.storage.files.hidden import Hidden
from asgi_downloads.storage.files.listing import Listing
from asgi_downloads.storage.files.tree import Directory
from tests.support.archives import directory, later

STOP = threading.Event()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "root"
    for name in ("a.txt", "sub/b.txt", "sub/deep/c.txt", "sub/.hidden", "sub/.git/config", "other/d.txt"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (root / "empty").mkdir()
    (root / "sub" / "across").symlink_to("../other/d.txt")
    (root / "sub" / "out").symlink_to(tmp_path / "secret")
    (tmp_path / "secret").write_text("secret")
    return root


@pytest.fixture
def slash() -> Iterator[Directory]:
    with directory(Path("/")) as opened:
        yield opened


def scan(contents: Folder | Gathered, most: int = 100) -> Listing:
    return contents.scan_blocking(most, STOP, later)


class TestFolder:
    def test_one_beneath_another_has_its_own_names_and_links_that_stay_beneath_the_other(self, tree: Path) -> None:
        with directory(tree) as opened:
            listing = scan(Folder(opened, True, "sub/"))
        assert listing.names == [".hidden", "across", "b.txt", ".git/config", "deep/c.txt"]
        assert listing.paths == [f"sub/{name}" for name in listing.names]
        assert listing.astray == ["sub/out"]

    def test_what_is_hidden_is_not_there_at_any_depth(self, tree: Path) -> None:
        with directory(tree) as opened:
            assert scan(Folder(opened, True, "sub/", Hidden((".*", "out")))).names == ["across", "b.txt", "deep/c.txt"]

    @pytest.mark.parametrize("at", ["none/", "a.txt/", "sub/none/"])
    def test_one_that_is_not_there_is_not_found(self, at: str, tree: Path) -> None:
        with directory(tree) as opened, pytest.raises(NotFound):
            scan(Folder(opened, True, at))

    def test_two_are_one_only_if_all_that_is_asked_is_alike(self, tree: Path) -> None:
        with directory(tree) as opened, directory(tree) as again, directory(tree / "sub") as below:
            keys = [
                Folder(opened).key,
                Folder(opened, True).key,
                Folder(opened, True, "sub/").key,
                Folder(opened, True, "sub/", Hidden((".*",))).key,
                Folder(below).key,
            ]
            assert len(set(keys)) == len(keys)
            assert Folder(again, True, "sub/").key == keys[2]


class TestGathered:
    def test_files_and_directories_from_anywhere_have_the_names_that_are_asked_for(
        self, tree: Path, slash: Directory
    ) -> None:
        members = (("x/first", str(tree / "a.txt")), ("photos", str(tree / "other")), ("no", str(tree / "empty")))
        listing = scan(Gathered(slash, members))
        assert listing.names == ["x/first", "photos/d.txt", "no/"]
        assert listing.paths == [f"{tree}/a.txt"[1:], f"{tree}/other/d.txt"[1:], f"{tree}/empty/"[1:]]
        assert [listing.size(index) for index in (0, 1)] == [5, 11]
        assert listing.is_current_blocking(slash)

    def test_a_link_may_lead_anywhere_that_is_asked_for_but_none_within_a_directory(
        self, tree: Path, slash: Directory
    ) -> None:
        listing = scan(Gathered(slash, (("s", str(tree / "sub/out")), ("sub", str(tree / "sub")))))
        assert listing.names[0] == "s"
        assert listing.paths[0].endswith("/secret")
        assert "sub/out" not in listing.names
        assert "sub/across" not in listing.names  # it leads out of the directory that was asked for
        assert [path.rpartition("/")[2] for path in listing.astray] == ["across", "out"]
        assert not listing.is_current_blocking(slash)  # where a link leads is asked anew each time

    @pytest.mark.parametrize("name", ["none", "a.txt/x", "pipe", "sub/none"])
    def test_a_member_that_is_no_file_is_told_by_its_name(self, name: str, tree: Path, slash: Directory) -> None:
        os.mkfifo(tree / "pipe")
        with pytest.raises(NotFound, match=r"^the one$"):
            scan(Gathered(slash, (("fine", str(tree / "a.txt")), ("the one", str(tree / name)))))

    @pytest.mark.parametrize("most", [1, 2])
    def test_more_than_there_is_room_for_is_busy(self, most: int, tree: Path, slash: Directory) -> None:
        members = tuple((str(number), str(tree / "a.txt")) for number in range(3))
        with pytest.raises(Busy):
            scan(Gathered(slash, members), most)

    def test_a_change_of_a_member_is_seen(self, tree: Path, slash: Directory) -> None:
        listing = scan(Gathered(slash, (("photos", str(tree / "other")),)))
        (tree / "other" / "new.txt").write_text("new")
        assert not listing.is_current_blocking(slash)
