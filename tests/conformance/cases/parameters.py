"""The query parameter `download` and its 422: rows C1 to C6."""

from itertools import product

from tests.conformance import tree
from tests.conformance.case import EVERYWHERE, NGINX, UNSIZED, Case, Json, Named, get, same, want

FILE = "/file/ten.txt"
ATTACHED = want(200, tree.TEN, content_disposition=Named("attachment", "ten.txt"))
INLINE = want(200, tree.TEN, content_disposition=Named("inline", "ten.txt"))


def _refused(id_: str, rows: str, target: str, value: str, on: frozenset[str] = EVERYWHERE) -> Case:
    error = {
        "type": "bool_parsing",
        "loc": ["query", "download"],
        "msg": "Input should be a valid boolean, unable to interpret input",
        "input": value,
    }
    return same(id_, rows, get(target), want(422, Json({"detail": [error]}), content_type="application/json"), on=on)


def _spellings(word: str) -> list[str]:
    """Every mixture of cases of a short word, three of a longer one."""
    if len(word) <= 2:
        return sorted({"".join(letters) for letters in product(*((c.lower(), c.upper()) for c in word))})
    return [word, word.upper(), word.capitalize(), word[0] + word[1:].upper()]


TRUE = [
    same(f"true-{word}", "C1", get(f"{FILE}?download={word}"), ATTACHED)
    for name in ("1", "true", "t", "yes", "y", "on")
    for word in _spellings(name)
]
FALSE = [
    same(f"false-{word}", "C1", get(f"{FILE}?download={word}"), INLINE)
    for name in ("0", "false", "f", "no", "n", "off")
    for word in _spellings(name)
]
REFUSED = [
    *(
        _refused(f"refused-{value}", "C1 C2", f"{FILE}?download={value}", value)
        for value in (
            "01",
            "00",
            "1.0",
            "2",
            "10",
            "-1",
            "null",
            "None",
            "enable",
            "enabled",
            "ye",
            "tru",
            "truee",
            "nope",
        )
    ),
    _refused("refused-plus-one", "C1", f"{FILE}?download=+1", " 1"),
    _refused("refused-escaped-plus-one", "C1", f"{FILE}?download=%2B1", "+1"),
    _refused("refused-leading-space", "C1", f"{FILE}?download=%20true", " true"),
    _refused("refused-trailing-space", "C1", f"{FILE}?download=true%20", "true "),
    _refused("refused-trailing-newline", "C1", f"{FILE}?download=true%0A", "true\n"),
    _refused("refused-nul", "C1", f"{FILE}?download=1%00", "1\0"),
    _refused("refused-quotes", "C1 C2", f"{FILE}?download=%22true%22", '"true"'),
    _refused("refused-backslash", "C2", f"{FILE}?download=%5C", "\\"),
    _refused("refused-other-digit", "C1", f"{FILE}?download=%D9%A1", "\u0661"),
    _refused("refused-long-s", "C1", f"{FILE}?download=ye%C5%BF", "ye\u017f"),
    _refused("refused-fullwidth", "C1", f"{FILE}?download=%EF%BC%91", "\uff11"),
    _refused("refused-utf-8", "C2 B8", f"{FILE}?download=caf%C3%A9", "caf\u00e9"),
    _refused("refused-emoji", "C2 B8", f"{FILE}?download=%F0%9F%98%80", "\U0001f600"),
    _refused("refused-delete", "C2 B8", f"{FILE}?download=%7F", "\x7f"),
    _refused("refused-control", "C2 B8", f"{FILE}?download=%01%1F", "\x01\x1f"),
    _refused("refused-line-separator", "C2 B8", f"{FILE}?download=%E2%80%A8", "\u2028"),
    _refused("refused-invalid-utf-8", "C5", f"{FILE}?download=%FF", "\ufffd"),
    _refused("refused-cut-utf-8", "C5", f"{FILE}?download=%C3", "\ufffd"),
    _refused("refused-long", "C2", f"{FILE}?download={'x' * 3000}", "x" * 3000),
    _refused("refused-bare-key", "C3", f"{FILE}?download", ""),
    _refused("refused-empty", "C3", f"{FILE}?download=", ""),
    _refused("refused-last-of-two", "C4", f"{FILE}?download=1&download=bad", "bad"),
    _refused("refused-last-empty", "C4 C3", f"{FILE}?download=1&download=", ""),
    _refused("refused-last-bare", "C4 C3", f"{FILE}?download=1&download", ""),
    _refused("refused-second-equals-sign", "C5", f"{FILE}?download==1", "=1"),
    _refused("refused-semicolon", "C5", f"{FILE}?download=1;x=2", "1;x=2"),
    _refused("refused-question-mark", "C5", f"{FILE}?download=1?x", "1?x"),
    _refused("refused-malformed-escape", "C5", f"{FILE}?download=%zz", "%zz", EVERYWHERE - NGINX),
    _refused("refused-lone-percent", "C5", f"{FILE}?download=1%", "1%", EVERYWHERE - NGINX),
    _refused("refused-before-missing", "C6 B4", "/file/missing?download=bad", "bad"),
    _refused("refused-before-outside", "C6 B4 D1", "/file/%2e%2e?download=bad", "bad"),
    _refused("refused-before-directory", "C6 B4 D2", "/file/subdir?download=bad", "bad"),
]
KEYS = [
    same("absent", "C1", get(FILE), INLINE),
    same("last-of-two", "C4", get(f"{FILE}?download=bad&download=1"), ATTACHED),
    same("last-of-three", "C4", get(f"{FILE}?download=1&download=&download=0"), INLINE),
    same("key-in-upper-case", "C5", get(f"{FILE}?Download=1"), INLINE),
    same("key-with-brackets", "C5", get(f"{FILE}?download[]=1"), INLINE),
    same("key-escaped", "C5", get(f"{FILE}?d%6Fwnload=%31"), ATTACHED),
    same("key-with-space", "C5", get(f"{FILE}?download%20=1"), INLINE),
    same("key-with-plus", "C5", get(f"{FILE}?+download=1"), INLINE),
    same("key-longer", "C5", get(f"{FILE}?downloads=1"), INLINE),
    same("empty-pairs-skipped", "C5", get(f"{FILE}?&&download=1&&"), ATTACHED),
    same("empty-key", "C5", get(f"{FILE}?=bad&download=1"), ATTACHED),
    same("semicolon-is-no-separator", "C5", get(f"{FILE}?a=1;download=1"), INLINE),
    same("beside-others", "C5 A11", get(f"{FILE}?a=b&download=yes&c"), ATTACHED),
    *(
        same(f"ignored-by-{name}", "C6 A11", get(f"{target}?download=bad"), 200, compare=UNSIZED)
        for name, target in {
            "download": "/download/ten.txt",
            "large": "/download/large/ten.txt",
            "preview": "/preview/ten.txt",
            "video": "/video/ten.mp4",
            "report": "/reports/42",
        }.items()
    ),
]

CASES = [*TRUE, *FALSE, *REFUSED, *KEYS]
