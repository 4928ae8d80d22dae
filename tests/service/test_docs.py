"""The page: all operations, nothing from elsewhere, and lines that work when they are pasted."""

import base64
import hashlib
import html
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from asgi_downloads import OwnExport, Parameter, Settings, create_app, demo
from tests.support.asgi import exchange
from tests.support.axe import violations
from tests.support.browser import browser
from tests.support.serving import Served, serving
from tests.support.tools import require


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    data = tmp_path_factory.mktemp("docs") / "data"
    demo.write_demo(data, users=10)
    with serving("--data-dir", data) as served:
        yield served


EVIL = "<script>alert(1)</script>&\"'"


def page(tmp_path: Path, host: bytes = b"files.example") -> tuple[str, dict[bytes, bytes]]:
    export = OwnExport("orders", "SELECT :since", parameters=(Parameter("since", "integer", required=True, help=EVIL),))
    app = create_app(Settings(data_dir=tmp_path, exports=(export,)))
    answer = exchange(app, "/docs", headers=[(b"host", host)])
    assert answer.status == 200
    return answer.content.decode(), answer.headers


def test_every_operation_has_an_anchor_and_a_line(tmp_path: Path) -> None:
    text, _ = page(tmp_path)
    app = create_app(Settings(data_dir=tmp_path))
    document = json.loads(exchange(app, "/openapi.json").content)
    operations = [each for both in document["paths"].values() for name, each in both.items() if name != "parameters"]
    names = [each["operationId"] for each in operations]
    assert [name for name in names if text.count(f'id="{name}"') != 1] == []
    assert [name for name in names if f'href="#{name}"' not in text] == []
    assert text.count("<pre><code>curl ") == len(names) + 2  # and those of the export
    assert html.escape("curl -OJ 'http://files.example/export/orders?since=SINCE'") in text


def test_its_style_is_all_that_the_policy_lets_it_have(tmp_path: Path) -> None:
    text, fields = page(tmp_path)
    style = re.search("<style>(.*)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = fields[b"content-security-policy"].decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")
    assert "unsafe" not in policy
    assert not re.search("<(script|link|img|iframe)|style=|url\\(| on[a-z]+=", text)
    assert not re.findall(r'(?:href|src)="(?!#|openapi\.json")[^"]*"', text)


@pytest.mark.parametrize("host", [EVIL.encode(), b"a'$(touch x)b", b"a\xff", b""])
def test_what_a_client_says_of_the_host_is_only_a_name(host: bytes, tmp_path: Path) -> None:
    text, _ = page(tmp_path, host)
    assert "<script" not in text
    assert html.escape(EVIL) in text
    for line in re.findall("<pre><code>(.*)</code></pre>", text):
        words = shlex.split(html.unescape(line))
        assert words[0] == "curl"
        assert words[-1].startswith("http://")
        assert len(words) == (4 if "NAME=VALUE" in words else 3)


def test_it_is_revalidated(tmp_path: Path) -> None:
    _, fields = page(tmp_path)
    app = create_app(Settings(data_dir=tmp_path))
    first = exchange(app, "/docs")
    assert fields[b"cache-control"] == b"no-cache"
    assert exchange(app, "/docs", headers=[(b"if-none-match", first.headers[b"etag"])]).status == 304
    assert exchange(app, "/docs", headers=[(b"if-match", b'"x"')]).status == 412
    assert exchange(app, "/docs", "HEAD").content == b""


FILLED = {
    "get-download": "report.pdf",
    "get-download-large": "sample-8M.bin",
    "get-download-async": "notes.txt",
    "get-download-bundle": "holiday",
    "get-file": "photo.jpg",
    "get-preview": "photo.jpg",
    "get-video": "sample.mp4",
    "get-reports": "42",
    "get-reports-generate": "7",
}
"""What stands in the place of the capitals."""


@pytest.mark.slow
def test_each_line_works_when_it_is_pasted(served: Served, tmp_path: Path) -> None:
    require("curl")
    text = subprocess.run(["curl", "-sSf", f"{served.url}/docs"], capture_output=True, check=True, text=True).stdout
    lines = dict(re.findall('<h2 id="([a-z-]+)">.*?<pre><code>(.*?)</code></pre>', text, re.DOTALL))
    assert len(lines) > 30
    for name, line in lines.items():
        filled = FILLED.get(name.replace("head-", "get-"), "")
        command = re.sub("[A-Z_]{4,}", filled, html.unescape(line))
        (tmp_path / name).mkdir()
        run = subprocess.run(["bash", "-c", f"{command} -sSf"], cwd=tmp_path / name, check=False, capture_output=True)
        assert run.returncode == 0, (command, run.stderr)
    assert {"report.pdf", "bundle-holiday.zip", "report-42.pdf"} <= {path.name for path in tmp_path.glob("*/*")}


@pytest.mark.slow
def test_it_is_accessible_without_a_script_and_asks_nobody_else(served: Served, tmp_path: Path) -> None:
    with browser(tmp_path / "profile") as context:
        page = context.new_page()
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{served.url}/docs")
        assert page.locator("h2").count() > 30
        page.goto(f"{served.url}/docs#get-file")
        assert page.locator("#get-file").bounding_box()["y"] < 100  # type: ignore[index]
        page.locator("pre code").first.click()
        assert page.evaluate("getSelection().toString()").startswith("curl -OJ 'http://127.0.0.1:")
        assert violations(page) == []
        assert [url for url in asked if not url.startswith(served.url)] == []
        assert said == []
