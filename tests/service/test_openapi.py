"""The document of all routes: valid, whole, and mergeable into a site's own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import asgi_downloads
from asgi_downloads import OwnDirectory, OwnExport, Parameter, Route, Settings, create_app
from asgi_downloads.asgi.types import Receive, Scope, Send
from asgi_downloads.endpoints.prepared import BASE
from asgi_downloads.service.application import Application
from asgi_downloads.service.openapi import ANSWERS, ASKED, FIELDS, KINDS, openapi, path_of
from tests.support.asgi import exchange

spec = pytest.importorskip("openapi_spec_validator")

EXPORT = OwnExport(
    "orders",
    "SELECT * FROM orders WHERE id > :since AND day = :day AND kind = :kind AND ok = :ok AND price < :price",
    parameters=(
        Parameter("since", "integer", required=True),
        Parameter("day", "date"),
        Parameter("kind", choices=("a", "b"), default="a"),
        Parameter("ok", "boolean", default=True),
        Parameter("price", "number"),
    ),
)


@pytest.fixture
def app(tmp_path: Path) -> Application:
    """With everything that there can be."""
    (tmp_path / "keys").write_text("k1:" + "00" * 32 + "\n")
    (tmp_path / "keys").chmod(0o600)
    directories = (
        OwnDirectory("/media", tmp_path, bundle=True, browse=True),
        OwnDirectory("/plain/files", tmp_path),
    )
    keys = tmp_path / "keys"
    return create_app(
        Settings(data_dir=tmp_path, directories=directories, exports=(EXPORT,), browse=True, link_keys_file=keys)
    )


@pytest.fixture
def document(app: Application) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(exchange(app, "/openapi.json").content)
    return found


def test_it_is_valid(document: dict[str, Any]) -> None:
    spec.validate(document)


def test_every_route_is_described_and_no_other(app: Application, document: dict[str, Any]) -> None:
    assert set(document["paths"]) == {path_of(route) for route in app.routes}
    assert {"/openapi.json", "/docs", "/media/{path}", "/export/orders", "/browse/{path}", "/s/{path}"} <= set(
        document["paths"]
    )
    for route in app.routes:
        assert route.name
        assert route.summary
        assert KINDS[route.kind] is not KINDS[""]
        assert set(route.fields) <= set(FIELDS)
        assert set(route.answers) <= set(ANSWERS)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, both in document["paths"].items():
        yield from ((path, method, both[method]) for method in ("get", "head", "post") if method in both)


def resolved(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    found: Any = document
    for name in part.get("$ref", "").split("/")[1:]:
        found = found[name]
    return {**found, **part} if part.get("$ref") else part


def test_names_of_operations_differ(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))


def test_bytes_are_a_media_type_without_a_schema_and_errors_have_one(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        for status, answer in operation["responses"].items():
            for media_type, content in resolved(document, answer).get("content", {}).items():
                is_ours = status[0] > "2" or path not in ("/openapi.json", "/browse/{path}", "/s/{path}")
                is_json = media_type == "application/json" and is_ours
                assert bool(content) is is_json, (path, status)


def test_head_has_no_content_and_no_parts(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        if method == "head":
            assert not {"206", "416"} & set(operation["responses"]), path
            assert not [each for each in operation["parameters"] if "Range" in each.get("$ref", "").split("/")]
            assert not [answer for answer in operation["responses"].values() if "content" in resolved(document, answer)]


def test_a_file_has_all_its_statuses_and_fields(document: dict[str, Any]) -> None:
    operation = document["paths"]["/file/{filename}"]["get"]
    assert set(operation["responses"]) == {"200", "206", "304", "400", "404", "412", "416", "422", "503"}
    asked = {resolved(document, each)["name"] for each in operation["parameters"]}
    assert asked == {"download", *ASKED}
    assert {"ETag", "Content-Range", "Accept-Ranges", "Content-Disposition", "Repr-Digest"} <= set(
        operation["responses"]["206"]["headers"]
    )
    assert "multipart/byteranges" in operation["responses"]["206"]["content"]
    assert "Retry-After" in resolved(document, operation["responses"]["503"])["headers"]


def test_parameters_are_as_they_are_declared(document: dict[str, Any]) -> None:
    asked = {each["name"]: each for each in document["paths"]["/export/orders"]["get"]["parameters"]}
    assert asked["since"]["required"] is True
    assert asked["since"]["schema"] == {"type": "integer", "minimum": -(1 << 63), "maximum": (1 << 63) - 1}
    assert asked["day"]["schema"] == {"type": "string", "format": "date"}
    assert asked["kind"]["schema"] == {"type": "string", "enum": ["a", "b"], "default": "a"}
    assert asked["ok"]["schema"] == {"type": "boolean", "default": True}
    assert asked["price"]["schema"] == {"type": "number"}
    users = {each["name"]: each for each in document["paths"]["/export/users"]["get"]["parameters"]}
    assert users["columns"]["schema"]["items"]["enum"] == ["id", "name", "email", "created_at"]
    assert {each["name"] for each in document["paths"]["/media/{path}"]["get"]["parameters"] if "name" in each} == {
        "sha256",
        "zip",
    }


@pytest.mark.parametrize("root", ["", "/dl"])
def test_it_says_where_it_was_asked_for(root: str, app: Application) -> None:
    headers = [(b"host", b"files.example:8443")]
    found = json.loads(exchange(app, f"{root}/openapi.json", headers=headers, root_path=root).content)
    assert found["servers"] == [{"url": f"http://files.example:8443{root}"}]


def test_off_makes_both_404(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path, docs=False))
    assert [exchange(app, url).status for url in ("/openapi.json", "/docs")] == [404, 404]


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotImplementedError


def test_routes_of_ones_own_are_described_by_what_they_say(tmp_path: Path) -> None:
    asked = (Parameter("loud", "boolean"),)
    own = [
        Route("/hello/{name}", hello, "hello", "A greeting", asked, {409: "Said before", 404: "Nobody"}),
        Route("/bare", hello),
        Route("/bare/{path:path}", hello),
    ]
    app = create_app(Settings(data_dir=tmp_path), own)
    found = json.loads(exchange(app, "/openapi.json").content)
    spec.validate(found)
    operation = found["paths"]["/hello/{name}"]["get"]
    assert operation["summary"] == "A greeting"
    described = {status: answer["description"] for status, answer in operation["responses"].items()}
    assert described == {
        "200": "The content",
        "404": "Nobody",
        "409": "Said before",
        "422": "A parameter cannot be used",
    }
    names = [operation["operationId"] for _, _, operation in operations(found)]
    assert len(names) == len(set(names))
    assert exchange(app, "/docs").status == 200


def test_a_fastapi_site_merges_it(app: Application) -> None:
    from fastapi import FastAPI
    from fastapi.openapi.utils import get_openapi

    site = FastAPI()

    @site.get("/items/{item}")
    def item(item: int) -> int:
        return item

    site.mount("/files", app)
    document = get_openapi(title="A site", version="1", routes=site.routes)
    ours = asgi_downloads.openapi(app.routes, "/files")
    document["paths"] |= ours["paths"]
    for kind, named in ours["components"].items():
        document["components"].setdefault(kind, {}).update(named)
    spec.validate(document)
    assert {"/items/{item}", "/files/download/{filename}"} <= set(document["paths"])
    assert {"HTTPValidationError", "DownloadsError"} <= set(document["components"]["schemas"])
    assert BASE not in json.dumps(document)


def test_what_stands_in_the_tables_is_used(document: dict[str, Any]) -> None:
    text = json.dumps(document["paths"])
    assert [name for name in FIELDS if f'#/components/headers/{name}"' not in text] == []
    assert [name for name in ASKED if f'#/components/parameters/{name}"' not in text] == []
    assert openapi(()) | {"paths": {}} == openapi(())
