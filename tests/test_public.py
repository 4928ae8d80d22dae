"""What is public: names that are imported when they are first used, and not before."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import asgi_downloads
from tests.support.fetch import fetch
from tests.support.serving import environment, serving
from tests.system.test_life_cycle import children

HOMES = {
    "CSVResponse": "asgi_downloads.responses.rows",
    "FileResponse": "asgi_downloads.responses.file",
    "Files": "asgi_downloads.responses.files",
    "JSONLinesResponse": "asgi_downloads.responses.rows",
    "OwnDirectory": "asgi_downloads.service.own",
    "OwnExport": "asgi_downloads.service.own",
    "Parameter": "asgi_downloads.asgi.parameter",
    "Route": "asgi_downloads.asgi.router",
    "SpooledResponse": "asgi_downloads.responses.spooled",
    "ZipResponse": "asgi_downloads.responses.zip",
    "lifespan": "asgi_downloads.service.application",
    "create_app": "asgi_downloads.service.application",
    "Settings": "asgi_downloads.service.settings",
    "openapi": "asgi_downloads.service.openapi",
    "run": "asgi_downloads.server.process.run",
    "sign_link": "asgi_downloads.endpoints.links.signing",
}


def test_importing_the_package_imports_no_server_and_no_framework() -> None:
    code = (
        "import asgi_downloads, sys;"
        "asgi_downloads.__version__, asgi_downloads.Settings;"
        "print(sorted({'uvicorn', 'starlette', 'fastapi', 'anyio', 'asyncio'} & set(sys.modules)))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True, timeout=20
    )
    assert shown.stdout == "[]\n"


@pytest.mark.parametrize("name", HOMES)
def test_a_public_name_is_that_of_its_room(name: str) -> None:
    found = getattr(asgi_downloads, name)
    assert found.__module__ == HOMES[name]
    assert found is getattr(sys.modules[HOMES[name]], name)


def test_all_public_names_are_listed_and_no_other_is_there() -> None:
    assert set(asgi_downloads.__all__) == {*HOMES, "__version__"}
    assert set(asgi_downloads.__all__) <= set(dir(asgi_downloads))
    assert asgi_downloads.__version__ == version("asgi-downloads")
    with pytest.raises(AttributeError, match="no attribute 'serve'"):
        asgi_downloads.serve  # noqa: B018


SITE = """\
import asgi_downloads

async def site(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"mine"})
    else:
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                break

asgi_downloads.run(asgi_downloads.Settings(port=0, workers=2, log_level="warning"), create=lambda settings: site)
"""


def test_a_whole_site_is_served_by_our_launcher(tmp_path: Path) -> None:
    (tmp_path / "site.py").write_text(SITE)
    with serving(command=[str(tmp_path / "site.py")], cwd=tmp_path) as served:
        answer = fetch(f"{served.url}/")
        assert (answer.status, answer.content) == (200, b"mine")
        assert len(children(served.process.pid)) == 2
        assert served.stop() == 0
