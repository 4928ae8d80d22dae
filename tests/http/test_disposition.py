import re
from dataclasses import dataclass
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asgi_downloads.http.disposition import content_disposition, header_value


@dataclass(frozen=True)
class Case:
    id: str
    filename: str
    want: bytes


CASES = [
    Case("letters, digits and marks go as they are", "aZ0_.-~x.pdf", b'filename="aZ0_.-~x.pdf"'),
    Case("a dot file", ".env", b'filename=".env"'),
    Case("a space", "a b.pdf", b"filename=\"a b.pdf\"; filename*=UTF-8''a%20b.pdf"),
    Case("a quote", 'a"b', b"filename=\"a_b\"; filename*=UTF-8''a%22b"),
    Case("a backslash", "a\\b", b"filename=\"a_b\"; filename*=UTF-8''a%5Cb"),
    Case("a percent sign", "a%41", b"filename=\"a_41\"; filename*=UTF-8''a%2541"),
    Case("a semicolon", "a;b", b"filename=\"a;b\"; filename*=UTF-8''a%3Bb"),
    Case("an apostrophe", "a'b", b"filename=\"a'b\"; filename*=UTF-8''a%27b"),
    Case("a slash is no part of a name", "../a", b"filename=\".._a\"; filename*=UTF-8''.._a"),
    Case("an accent is dropped in the likeness", "café", b"filename=\"cafe\"; filename*=UTF-8''caf%C3%A9"),
    Case("a combining accent too", "cafe\u0301", b"filename=\"cafe\"; filename*=UTF-8''cafe%CC%81"),
    Case("another script", "файл.txt", b"filename=\"____.txt\"; filename*=UTF-8''%D1%84%D0%B0%D0%B9%D0%BB.txt"),
    Case("a composed syllable is one character", "한", b"filename=\"_\"; filename*=UTF-8''%ED%95%9C"),
    Case("an emoji", "😀.png", b"filename=\"_.png\"; filename*=UTF-8''%F0%9F%98%80.png"),
    Case("a ligature has a likeness", "ﬁn", b"filename=\"fin\"; filename*=UTF-8''%EF%AC%81n"),
    Case("a full-width quote does not become one", "a\uff02b", b"filename=\"a_b\"; filename*=UTF-8''a%EF%BC%82b"),
    Case("a full-width slash does not become one", "a\uff0fb", b"filename=\"a_b\"; filename*=UTF-8''a%EF%BC%8Fb"),
    Case("right-to-left override", "a\u202eb", b"filename=\"a_b\"; filename*=UTF-8''a%E2%80%AEb"),
    Case("a line break cannot end the field", "a\r\nb: c", b"filename=\"a__b: c\"; filename*=UTF-8''a__b%3A%20c"),
    Case("NUL and the C1 controls", "a\0b\x85c", b"filename=\"a_b_c\"; filename*=UTF-8''a_b_c"),
    Case("a lone surrogate", "a\udc80b", b"filename=\"a_b\"; filename*=UTF-8''a%EF%BF%BDb"),
    Case("no name at all", "", b"filename=\"\"; filename*=UTF-8''"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_content_disposition(case: Case) -> None:
    assert content_disposition("attachment", case.filename) == b"attachment; " + case.want
    assert content_disposition("inline", case.filename) == b"inline; " + case.want


# RFC 6266 §4.1 and RFC 8187 §3.2.1, as narrow as we write them
_GRAMMAR = re.compile(
    rb"attachment; filename=\"(?P<plain>[ !#$&-.0-\[\]-~]*)\""
    rb"(?:; filename\*=UTF-8''(?P<exact>(?:[A-Za-z0-9_.~\-]|%[0-9A-F]{2})*))?"
)

any_text = st.text(st.characters(codec=None, categories=None), max_size=30)


@given(any_text)
@example("\ud800\udc00")
@example("a\n")
def test_any_name_keeps_to_the_grammar_and_is_read_back(filename: str) -> None:
    match = _GRAMMAR.fullmatch(content_disposition("attachment", filename))
    assert match
    want = re.sub(r"[\x00-\x1f\x7f-\x9f/]", "_", re.sub(r"[\ud800-\udfff]", "\ufffd", filename))
    assert unquote((match["exact"] or match["plain"]).decode(), errors="strict") == want


@dataclass(frozen=True)
class Value:
    id: str
    text: str
    want: bytes


VALUES = [
    Value("printable ASCII goes as it is", 'a-Z 0_9"\\;,!~', b'a-Z 0_9"\\;,!~'),
    Value("a percent sign is encoded", "50%", b"50%25"),
    Value("a line break", "a\r\nb", b"a%0D%0Ab"),
    Value("NUL and delete", "\0\x7f", b"%00%7F"),
    Value("Latin-1", "é", b"%C3%A9"),
    Value("beyond", "😀", b"%F0%9F%98%80"),
    Value("spaces at the ends", "  a b ", b"%20%20a b%20"),
    Value("nothing but spaces", "  ", b"%20%20"),
    Value("nothing", "", b""),
    Value("a lone surrogate", "\ud800", b"%EF%BF%BD"),
]


@pytest.mark.parametrize("case", VALUES, ids=lambda case: case.id)
def test_header_value(case: Value) -> None:
    assert header_value(case.text) == case.want


@given(any_text)
def test_any_text_is_a_field_value_that_decodes_to_it(text: str) -> None:
    value = header_value(text)
    assert re.fullmatch(rb"(?:[!-~](?:[ -~]*[!-~])?)?", value)
    assert unquote(value.decode(), errors="strict") == re.sub(r"[\ud800-\udfff]", "\ufffd", text)
