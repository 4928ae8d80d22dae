"""An export for spreadsheets, opened in a real one: every cell is there as text, and none has become a formula."""

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.request import urlopen
from xml.etree import ElementTree

import pytest

from tests.support.serving import serving
from tests.support.tools import require

pytestmark = pytest.mark.slow

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}

CELLS = [
    # What the database has, and what the sheet is to show.
    ("=1+2", "'=1+2"),
    ("+1+2", "'+1+2"),
    ("-1+2", "'-1+2"),
    ("-3", "'-3"),
    ("@SUM(1)", "'@SUM(1)"),
    ("\t=1+2", "'\t'=1+2"),
    ("\n=1+2", "'\n'=1+2"),
    ("\uff1d1+2", "'\uff1d1+2"),
    ("x;=1+2;y", "x;'=1+2;y"),
    ("x,=1+2,y", "x,'=1+2,y"),
    ("x\t=1+2\ty", "x\t'=1+2\ty"),
    ("x\n=1+2", "x\n'=1+2"),
    ('x;"=1+2";y', 'x;\'"=1+2";y'),
    ('x,"=1+2",y', 'x,\'"=1+2",y'),
    ('"=1+2"', '"=1+2"'),
    ('";=1+2"', '";\'=1+2"'),
    ("'=1+2", "'=1+2"),
    (" =1+2", " =1+2"),
    ("Lovelace, Ada; Countess", "Lovelace, Ada; Countess"),
    ('say "hi"', 'say "hi"'),
    ("\u5c71\u7530 \u592a\u90ce", "\u5c71\u7530 \u592a\u90ce"),
    ("a@example.com", "a@example.com"),
    ("two\nlines", "two\nlines"),
    ("", ""),
    (-1.5, -1.5),
    (42, 42.0),
]

_OFFICE = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
_TABLE = "urn:oasis:names:tc:opendocument:xmlns:table:1.0"
_TEXT = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"


def write_users(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name, email, created_at)")
        rows = [(i, cell, "x", cell) for i, (cell, _) in enumerate(CELLS, 1)]
        connection.executemany("INSERT INTO users VALUES (?, ?, ?, ?)", rows)


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export with each delimiter, `comma.csv` and so on, and one without the guard, `bare.csv`."""
    require("soffice")
    place = tmp_path_factory.mktemp("spreadsheet")
    data = place / "data"
    data.mkdir()
    write_users(data / "app.db")
    with serving(data) as served:
        for name in DELIMITERS:
            with urlopen(f"{served.url}/export/users?excel=true&delimiter={name}") as answer:
                (place / f"{name}.csv").write_bytes(answer.read())
        with urlopen(f"{served.url}/export/users") as answer:
            (place / "bare.csv").write_bytes(answer.read())
    return place


@pytest.fixture(scope="module", params=DELIMITERS)
def opened(request: pytest.FixtureRequest, exports: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The sheets of a spreadsheet that splits cells at this delimiter."""
    sheets = tmp_path_factory.mktemp(f"split-at-{request.param}")
    how = f"CSV:{ord(DELIMITERS[request.param])},34,76,1"  # the delimiter, quotes, UTF-8, from the first line on
    profile = f"-env:UserInstallation=file://{sheets}/profile"
    files = [str(file) for file in exports.glob("*.csv")]
    command = ["soffice", profile, "--headless", "--convert-to", "fods", "--infilter=" + how, "--outdir", str(sheets)]
    subprocess.run([*command, *files], check=True, capture_output=True, timeout=300)
    return request.param, sheets


def rows(sheet: Path) -> Iterator[list[ElementTree.Element]]:
    """The cells of each row, those that are alike spelt out."""
    for row in ElementTree.parse(sheet).iter(f"{{{_TABLE}}}table-row"):
        cells: list[ElementTree.Element] = []
        for cell in row.findall(f"{{{_TABLE}}}table-cell"):
            cells += [cell] * min(int(cell.get(f"{{{_TABLE}}}number-columns-repeated", 1)), 10)
        yield cells


def value(cell: ElementTree.Element) -> object:
    if cell.get(f"{{{_OFFICE}}}value-type") == "float":
        return float(cell.get(f"{{{_OFFICE}}}value", ""))
    return "\n".join(map(shown, cell.findall(f"{{{_TEXT}}}p")))


def shown(paragraph: ElementTree.Element) -> str:
    marks = {f"{{{_TEXT}}}s": " ", f"{{{_TEXT}}}tab": "\t"}
    parts = [paragraph.text or ""]
    for child in paragraph:
        parts += [marks[child.tag] * int(child.get(f"{{{_TEXT}}}c", 1)), child.tail or ""]
    return "".join(parts)


def formulas(sheet: Path) -> list[str]:
    found = (cell.get(f"{{{_TABLE}}}formula") for row in rows(sheet) for cell in row)
    return [formula for formula in found if formula]


@pytest.mark.parametrize("name", DELIMITERS)
def test_no_cell_is_a_formula_wherever_the_spreadsheet_splits(name: str, opened: tuple[str, Path]) -> None:
    _, sheets = opened
    assert formulas(sheets / f"{name}.fods") == []
    assert formulas(sheets / "bare.fods"), "without the guard there are some"


def test_every_cell_is_as_it_is_in_the_database(opened: tuple[str, Path]) -> None:
    name, sheets = opened
    head, *found = ([value(cell) for cell in row[:4]] for row in rows(sheets / f"{name}.fods") if len(row) >= 4)
    assert head == ["id", "name", "email", "created_at"]
    assert found == [[float(i), want, "x", want] for i, (_, want) in enumerate(CELLS, 1)]
