"""No name leaves the directory it is unpacked to, every system takes it, and no two meet there."""

import unicodedata
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_downloads.bodies.zip.names import archive_paths, safe_name, unique_names


@dataclass(frozen=True)
class Case:
    id: str
    name: str
    want: str


NAMES = [
    Case("plain", "report-2024_v2.txt", "report-2024_v2.txt"),
    Case("dot-file", ".env", ".env"),
    Case("quotes", 'a "b" (c).txt', "a _b_ (c).txt"),
    Case("apostrophe-and-percent", "it's 100%.txt", "it's 100%.txt"),
    Case("question-mark", "what?.txt", "what_.txt"),
    Case("asterisk", "a*b", "a_b"),
    Case("angle-brackets", "<a>", "_a_"),
    Case("bar", "a|b", "a_b"),
    Case("umlaut-composed", "f\u00fcr.txt", "f\u00fcr.txt"),
    Case("umlaut-as-macos-has-it", "fu\u0308r.txt", "f\u00fcr.txt"),
    Case("emoji", "\U0001f4e6.bin", "\U0001f4e6.bin"),
    Case("not-utf-8", b"caf\xe9.txt".decode("utf-8", "surrogateescape"), "caf%E9.txt"),
    Case("backslash", "..\\..\\evil.exe", ".._.._evil.exe"),
    Case("drive", "C:evil.exe", "C_evil.exe"),
    Case("alternate-stream", "a.txt:hidden", "a.txt_hidden"),
    Case("newline", "a\nb", "a_b"),
    Case("c1-control", "a\x9bb", "a_b"),
    Case("device", "NUL", "NUL_"),
    Case("device-with-extension", "con.txt", "con_.txt"),
    Case("device-with-superscript", "com\u00b9.log", "com\u00b9_.log"),
    Case("device-with-spaces", "aux  .log", "aux  _.log"),
    Case("not-a-device", "console.txt", "console.txt"),
    Case("not-a-device-either", "com10", "com10"),
    Case("parent-in-disguise", ".. ", "___"),
    Case("three-dots", "...", "___"),
    Case("trailing-dot", "trail.", "trail_"),
    Case("trailing-space", "trail ", "trail_"),
    Case("trailing-dots-and-spaces", "trail. . ", "trail____"),
    Case("leading-space", " lead", " lead"),
    Case("device-in-disguise", "nul.", "nul_"),
    Case("clock", "CLOCK$.txt", "CLOCK$_.txt"),
    Case("console", "conout$", "conout$_"),
    Case("device-zero", "LPT0", "LPT0_"),
    Case("long-and-not-utf-8", "\udce9" * 200 + ".txt", "%E9" * 83 + "%E.txt"),
    Case("long-in-nfd", "u\u0308" * 85, "\xfc" * 85),
    Case("longer-in-nfc", "\u0958" * 85, "\u0915\u093c" * 42 + "\u0915"),
    Case("long-extension", "a." + "\udce9" * 100, "a." + "%E9" * 84 + "%"),
    Case("empty", "", "_"),
]


@pytest.mark.parametrize("case", NAMES, ids=lambda c: c.id)
def test_a_name_is_safe_and_stays_readable(case: Case) -> None:
    assert safe_name(case.name) == case.want


@dataclass(frozen=True)
class Siblings:
    id: str
    names: list[str]
    want: list[str]


SIBLINGS = [
    Siblings("case", ["A.txt", "a.txt"], ["A.txt", "a (2).txt"]),
    Siblings("normal-form", ["f\u00fcr", "fu\u0308r"], ["f\u00fcr", "f\u00fcr (2)"]),
    Siblings("sharp-s", ["STRASSE", "stra\u00dfe"], ["STRASSE", "stra\u00dfe (2)"]),
    Siblings("trailing-dot", ["a", "a.", "a_"], ["a", "a_", "a_ (2)"]),
    Siblings("mapped-alike", ["a:b", "a\\b", "a_b"], ["a_b", "a_b (2)", "a_b (3)"]),
    Siblings("own-name-kept", ["A.txt", "a (2).txt", "a.txt"], ["A.txt", "a (2).txt", "a (3).txt"]),
    Siblings("dot-files", [".A", ".a"], [".A", ".a (2)"]),
    Siblings("three", ["X.a", "x.a", "x.A"], ["X.a", "x (2).a", "x (3).A"]),
    Siblings("percent-encoded-by-hand", ["caf%E9", "caf\udce9"], ["caf%E9", "caf%E9 (2)"]),
    Siblings("long", ["A" * 255, "a" * 255], ["A" * 255, "a" * 251 + " (2)"]),
    Siblings(
        "long-with-extension", ["B" * 251 + ".txt", "b" * 251 + ".txt"], ["B" * 251 + ".txt", "b" * 247 + " (2).txt"]
    ),
]


@pytest.mark.parametrize("case", SIBLINGS, ids=lambda c: c.id)
def test_names_that_a_disk_takes_for_one_are_numbered(case: Siblings) -> None:
    assert unique_names(case.names) == case.want


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold()).rstrip(" .")


RESERVED = {"CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$"} | {
    device + number for device in ("COM", "LPT") for number in "0123456789¹²³"
}


SHORT = st.text(st.sampled_from("aAbB.: \\ñÑn\u0303ßsS\udce9\x00\u200b()2?*"), min_size=1, max_size=5)
LONG = st.builds(lambda text, count: text * count, SHORT, st.integers(40, 255))
DEVICE = st.builds(lambda name, end: name + end, st.sampled_from(sorted(RESERVED)), SHORT)


@given(
    st.lists(
        st.one_of(SHORT, LONG, DEVICE, st.text(min_size=1, max_size=12)).filter(lambda n: "/" not in n), unique=True
    )
)
def test_any_names_become_as_many_safe_ones(names: list[str]) -> None:
    made = unique_names(names)
    assert len(made) == len(names)
    assert len({_key(name) for name in made}) == len(names)
    for name in made:
        assert name.encode()
        assert len(name.encode()) <= 255
        assert not set(name) & {*'/\\:*?"<>|', *map(chr, range(32))}
        assert not name.endswith((" ", "."))
        assert name.partition(".")[0].rstrip(" ").upper() not in RESERVED
    assert unique_names(names) == made


@dataclass(frozen=True)
class Tree:
    id: str
    paths: list[str]
    want: list[str]


TREES = [
    Tree("nothing", [], []),
    Tree("flat", ["A", "a"], ["A", "a (2)"]),
    Tree("each-directory-by-itself", ["d/x", "e/x", "x"], ["d/x", "e/x", "x"]),
    Tree(
        "directories-collide-too",
        ["Dir/x", "X", "dir/X", "dir/x", "x"],
        ["Dir/x", "X", "dir (2)/X", "dir (2)/x (2)", "x (2)"],
    ),
    Tree("a-directory-and-a-file", ["A", "a/b"], ["A", "a (2)/b"]),
    Tree("an-empty-directory", ["A/", "a/b/", "a/c"], ["A/", "a (2)/b/", "a (2)/c"]),
    Tree("deep-and-not-utf-8", ["d\udcff/e:/f\udcfe"], ["d%FF/e_/f%FE"]),
]


@pytest.mark.parametrize("case", TREES, ids=lambda c: c.id)
def test_paths_are_told_apart_directory_by_directory(case: Tree) -> None:
    assert archive_paths(case.paths) == case.want


def test_many_collisions_take_no_quadratic_time() -> None:
    names = [f"{'a' * 9}{'.' * n}" for n in range(3000)]
    assert len(set(unique_names(names))) == 3000
