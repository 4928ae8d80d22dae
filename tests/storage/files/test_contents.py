"""What an archive is asked to hold, and what is found of it."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from asgi_downloads.storage.errors import Busy, NotFound
from asgi_downloads.storage.files.contents import Chosen, Contents, Folder, Gathered, Joined
from asgi_downloads.storage.files.hidden import Hidden
from asgi_downloads.storage.files.listing import Listing
from asgi_downloads.storage.files.private import Private
from asgi_downloads.storage.files.tree import Directory
from asgi_downloads.storage.jobs import Stopped
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


def scan(contents: Contents, most: int = 100) -> Listing:
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


class TestChosen:
    def test_files_and_whole_directories_are_named_from_where_they_were_chosen(self, tree: Path) -> None:
        with directory(tree) as opened:
            top = scan(Chosen(opened, ("a.txt", "empty/", "sub/")))
            below = scan(Chosen(opened, ("across", "b.txt", "deep/"), "sub/", Hidden((".*",))))
        assert top.names == top.paths
        assert top.names == [
            *("a.txt", "empty/", "sub/.hidden", "sub/across", "sub/b.txt", "sub/.git/config", "sub/deep/c.txt")
        ]
        assert top.astray == ["sub/out"]
        assert below.names == ["across", "b.txt", "deep/c.txt"]
        assert below.paths == ["sub/across", "sub/b.txt", "sub/deep/c.txt"]
        assert "sub/across" in below.links

    def test_a_link_to_a_directory_is_that_directory(self, tree: Path) -> None:
        (tree / "link").symlink_to("other")
        with directory(tree) as opened:
            assert scan(Chosen(opened, ("link/",))).names == ["link/d.txt"]

    @pytest.mark.parametrize(
        "name",
        [
            *("none", "none/", "a.txt/", "sub", "out", "pipe", ".hidden", ".git/", "deep/c.txt", "deep/../b.txt"),
            *("", "/", ".", "./", "..", "../", "../a.txt", "/etc/passwd", "deep//", "a\0b", "b.txt\0", "x" * 300),
            *("secret-file", "secret-folder/", "into-secret"),
        ],
    )
    def test_a_name_that_may_not_be_had_is_told(self, name: str, tree: Path) -> None:
        os.mkfifo(tree / "sub" / "pipe")
        (tree / "sub" / "secret-file").write_text("x")
        (tree / "sub" / "secret-folder").mkdir()
        (tree / "sub" / "secret-folder" / "x").write_text("x")
        (tree / "sub" / "into-secret").symlink_to("secret-folder/x")
        private = Private([tree / "sub" / "secret-file", tree / "sub" / "secret-folder"])
        with directory(tree) as opened, pytest.raises(NotFound) as missing:
            scan(Chosen(opened, ("b.txt", name), "sub/", Hidden((".*",)), private))
        assert str(missing.value) == name

    def test_one_that_goes_or_comes_is_seen(self, tree: Path) -> None:
        with directory(tree) as opened:
            chosen = Chosen(opened, ("a.txt", "other/"))
            listing = scan(chosen)
            assert listing.is_current_blocking(opened)
            (tree / "other" / "new.txt").write_text("new")
            assert not listing.is_current_blocking(opened)
            listing = scan(chosen)
            (tree / "a.txt").unlink()
            assert not listing.is_current_blocking(opened)
            with pytest.raises(NotFound, match=r"^a\.txt$"):
                scan(chosen)

    @pytest.mark.parametrize(("names", "most"), [(("a.txt", "other/"), 1), (("sub/",), 4), (("sub/", "a.txt"), 5)])
    def test_more_than_there_is_room_for_is_busy(self, names: tuple[str, ...], most: int, tree: Path) -> None:
        with directory(tree) as opened, pytest.raises(Busy):
            scan(Chosen(opened, names), most)

    def test_one_that_nobody_waits_for_is_stopped(self, tree: Path) -> None:
        stop = threading.Event()
        stop.set()
        with directory(tree) as opened, pytest.raises(Stopped):
            Chosen(opened, ("a.txt",)).scan_blocking(100, stop, later)

    def test_two_are_one_only_if_all_that_is_asked_is_alike(self, tree: Path) -> None:
        with directory(tree) as opened, directory(tree) as again:
            keys = [
                Chosen(opened, ("a.txt",)).key,
                Chosen(opened, ("b.txt",)).key,
                Chosen(opened, ("a.txt",), "sub/").key,
                Chosen(opened, ("a.txt",), "", Hidden((".*",))).key,
                Folder(opened).key,
            ]
            assert len(set(keys)) == len(keys)
            assert Chosen(again, ("a.txt",)).key == keys[0]


class TestJoined:
    def test_each_part_is_below_its_own_path(self, tree: Path, slash: Directory) -> None:
        with directory(tree) as opened, directory(tree / "other") as other:
            parts = (("", Chosen(opened, ("a.txt",))), ("m/usic/", Folder(other, True)))
            joined = Joined(slash, parts)
            listing = scan(joined)
            assert listing.names == ["a.txt", "m/usic/d.txt"]
            assert listing.paths == [f"{tree}/a.txt"[1:], f"{tree}/other/d.txt"[1:]]
            assert listing.is_current_blocking(slash)
            (tree / "other" / "new.txt").write_text("new")
            assert not listing.is_current_blocking(slash)
            assert joined.key != Joined(slash, parts[:1]).key

    def test_links_and_what_is_astray_are_those_of_the_parts(self, tree: Path, slash: Directory) -> None:
        with directory(tree) as opened:
            listing = scan(Joined(slash, (("x/", Folder(opened, True, "sub/")),)))
        assert listing.names == ["x/.hidden", "x/across", "x/b.txt", "x/.git/config", "x/deep/c.txt"]
        assert listing.links == {f"{tree}/sub/across"[1:]}
        assert [path.rpartition("/")[2] for path in listing.astray] == ["out"]

    def test_a_duplicate_has_directories_of_its_own(self, tree: Path, slash: Directory) -> None:
        with directory(tree) as opened:
            joined = Joined(slash, (("x/", Folder(opened)),))
            copy = joined.duplicate()
        assert scan(copy).names == ["x/a.txt"]

    @pytest.mark.parametrize("most", [1, 2])
    def test_more_than_there_is_room_for_is_busy(self, most: int, tree: Path, slash: Directory) -> None:
        with directory(tree) as opened, pytest.raises(Busy):
            scan(Joined(slash, (("x/", Folder(opened)), ("y/", Folder(opened, True, "sub/")))), most)


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
