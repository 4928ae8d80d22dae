"""A file in a page: the element for its type, and what hostile content makes of it."""

import json
import re
import time
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_downloads.endpoints.browse.preview import MOST_READ, media_element, text_element

MEDIA = {
    (b"image/jpeg", "a b.jpg"): '<img src="./a%20b.jpg" alt="a b.jpg">',
    (b"image/svg+xml", 'x".svg'): '<img src="./x%22.svg" alt="x&quot;.svg">',
    (b"image/vnd.microsoft.icon", "i.ico"): '<img src="./i.ico" alt="i.ico">',
    (b"image/tiff", "x.tiff"): None,
    (b"application/pdf", "javascript:a.pdf"): '<iframe src="./javascript%3Aa.pdf" title="javascript:a.pdf"></iframe>',
    (b"text/html", "x.html"): None,
    (b"text/plain", "x.txt"): None,
    (b"application/octet-stream", "x"): None,
}


@pytest.mark.parametrize(("kind", "name"), MEDIA)
def test_what_a_browser_shows_by_itself(kind: bytes, name: str) -> None:
    assert media_element(kind, name, "") == MEDIA[kind, name]


def test_films_and_sound_have_tracks_and_a_button() -> None:
    for kind in (b"video/mp4", b"audio/mpeg"):
        element = media_element(kind, "f", "<track>") or ""
        word = kind.partition(b"/")[0].decode()
        assert element.startswith(f'<{word} src="./f" controls preload="metadata"><track></{word}>')
        assert "hidden" in element.partition("<button")[2]


PLAIN, CSV, TSV, JSON = b"text/plain", b"text/csv", b"text/tab-separated-values", b"application/json"
NOTE, NONE = "<p>This is its beginning.</p>", "<p>There is no preview of a file of this type.</p>"


def table(*rows: str) -> str:
    head, *body = rows
    heads = "".join(f'<th scope="col">{cell}</th>' for cell in head.split("|"))
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row.split('|'))}</tr>" for row in body)
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="Rows">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


SHOWN = [
    (PLAIN, b"hello", True, "<pre>hello</pre>"),
    (PLAIN, b"", True, "<p>It is empty.</p>"),
    (PLAIN, b"\xef\xbb\xbfa\r\nb", True, "<pre>a\nb</pre>"),
    (PLAIN, b"caf\xe9", True, "<pre>caf\ufffd</pre>"),
    (PLAIN, b"</pre><script>alert(1)</script>", True, "<pre>&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;</pre>"),
    (b"text/html", b"<b>", True, "<pre>&lt;b&gt;</pre>"),
    (PLAIN, b"cut", False, NOTE + "<pre>cut</pre>"),
    (PLAIN, b"a\0b", True, NONE),
    (CSV, b"a\0b", True, NONE),
    (CSV, b'a,b\r\n"1,\n2",<b>\n', True, table("a|b", "1,\n2|&lt;b&gt;")),
    (CSV, b"a;b\n1;2,5\n", True, table("a|b", "1|2,5")),
    (TSV, b"a\tb\n1\t2\n", True, table("a|b", "1|2")),
    (CSV, b"a\n", True, table("a")),
    (CSV, b"", True, "<p>It is empty.</p>"),
    (JSON, b"", True, "<p>It is empty.</p>"),
    (JSON, b'{"a":[1,2.50,{}],"b":"<\\"{"}', True, None),
    (JSON, b"[1", True, "<pre>[1</pre>"),
    (JSON, b"[1]", False, NOTE + "<pre>[1]</pre>"),
    (b"application/geo+json", b"[1]", True, "<pre>[\n  1\n]</pre>"),
    (JSON, b"[]", True, "<pre>[]</pre>"),
    (JSON, b"1" * 5000, True, f"<pre>{'1' * 5000}</pre>"),
]


@pytest.mark.parametrize(("kind", "content", "is_whole", "wanted"), SHOWN, ids=[str(row[:3])[:60] for row in SHOWN])
def test_text(kind: bytes, content: bytes, is_whole: bool, wanted: str | None) -> None:
    found = text_element(kind, content, is_whole)
    if wanted is None:
        wanted = '<pre>{\n  "a": [\n    1,\n    2.50,\n    {}\n  ],\n  "b": "&lt;\\"{"\n}</pre>'.replace('"', "&quot;")
    assert found == wanted


def test_a_table_ends_after_200_rows_and_says_so() -> None:
    content = b"n\n" + b"".join(b"%d\n" % number for number in range(500))
    found = text_element(CSV, content, True)
    assert found.startswith("<p>These are its first 200 rows.</p>")
    assert found.count("<tr>") == 201
    assert "<td>199</td></tr></tbody>" in found
    assert "These" not in text_element(CSV, content[: content.index(b"199")], True)


def test_a_row_that_was_cut_is_not_shown() -> None:
    found = text_element(CSV, b"a,b\n1,2\n3,45", False)
    assert "<td>2</td>" in found
    assert "45" not in found


NESTED = 100_000
HOSTILE = {
    "deep arrays": (JSON, b"[" * NESTED + b"]" * NESTED),
    "deep objects": (JSON, b'{"a":' * NESTED + b"1" + b"}" * NESTED),
    "900 deep, wide": (JSON, b"[" * 900 + b",".join([b"1"] * 200_000) + b"]" * 900),
    "900 deep, again and again": (JSON, b"[" + b",".join([b"[" * 400 + b"]" * 400] * 1200) + b"]"),
    "a long number": (JSON, b"9" * MOST_READ),
    "quotes": (JSON, b'["' + b'\\"' * (MOST_READ // 2 - 10) + b'"]'),
    "quotes without an end": (JSON, b'"' + b'\\"' * (MOST_READ // 2 - 10)),
    "many strings": (JSON, b"[" + b",".join([b'""'] * 300_000) + b"]"),
    "one row": (CSV, b"," * MOST_READ),
    "many rows of many": (CSV, (b"," * 2000 + b"\n") * 500),
    "one cell": (CSV, b"a" * MOST_READ),
    "quotes in a cell": (CSV, b'"' * (MOST_READ - 1)),
    "empty rows": (CSV, b"\n" * MOST_READ),
    "less than": (CSV, b"<,>" * (MOST_READ // 3)),
    "ampersands": (PLAIN, b"&" * MOST_READ),
    "no UTF-8": (PLAIN, b"\xff" * MOST_READ),
    "controls": (PLAIN, bytes(range(1, 32)) * (MOST_READ // 31)),
}


@pytest.mark.parametrize("title", HOSTILE)
@pytest.mark.parametrize("is_whole", [True, False])
def test_what_is_hostile_costs_little_and_shows_little(title: str, is_whole: bool) -> None:
    kind, content = HOSTILE[title]
    begun = time.process_time()
    found = text_element(kind, content[:MOST_READ], is_whole)
    assert time.process_time() - begun < 2
    assert len(found.encode()) < 5 << 20


TAGS = re.compile('</?(?:p|pre|div|table|thead|tbody|tr|th|td)(?: [a-z-]+="[A-Za-z0-9 ]*")*>')


@given(st.sampled_from([PLAIN, CSV, TSV, JSON]), st.one_of(st.text(), st.text("<>&\"',;\t\n[]{}:1a")), st.booleans())
def test_nothing_of_a_file_becomes_a_tag(kind: bytes, text: str, is_whole: bool) -> None:
    found = text_element(kind, text.encode(), is_whole)
    assert not re.search('[<>"]', TAGS.sub("", found))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text('{}[],:"\\ a\n<é'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('{}[],:"\\ a'), inner),
)


@given(values, st.sampled_from([None, 1]), st.booleans())
def test_indented_json_is_the_same_json(value: object, indent: int | None, plain: bool) -> None:
    content = json.dumps(value, indent=indent, ensure_ascii=plain)
    found = text_element(JSON, content.encode(), True)
    assert json.loads(unescape(found.removeprefix("<pre>").removesuffix("</pre>"))) == value
