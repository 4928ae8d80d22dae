"""The page of an OpenAPI document: without a script, and whole in itself."""

import base64
import hashlib
import re
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from asgi_downloads.endpoints.prepared import BASE
from asgi_downloads.http.message import Header


def docs_page(document: dict[str, Any]) -> tuple[bytes, Header]:
    """The page in HTML, and the Content-Security-Policy that lets it have its style and nothing else."""
    pages = files("asgi_downloads.pages")
    style = (pages / "docs.css").read_text("utf-8")
    paths = document["paths"].items()
    components = document["components"]
    fields = {**components["parameters"], **components["headers"]}
    page = Template((pages / "docs.html").read_text("utf-8")).substitute(
        title=escape(document["info"]["title"]),
        style=style,
        links="".join(
            f'<li><a href="#{both["get"]["operationId"]}">{escape(path)}</a> {escape(both["get"]["summary"])}\n'
            for path, both in paths
        ),
        operations="".join(line for path, both in paths for line in _sections(document, path, both)),
        fields="".join(f"<dt><code>{name}</code><dd>{_text(fields[name]['description'])}\n" for name in sorted(fields)),
    )
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    none = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return page.encode(), (
        b"content-security-policy",
        f"default-src 'none'; style-src 'sha256-{digest}'; {none}".encode(),
    )


def _sections(document: dict[str, Any], path: str, both: dict[str, Any]) -> Iterator[str]:
    """GET in full, and HEAD, of which there is no more to say than the line; then forms, if any."""
    for method in [name for name in ("get", "head", "post") if name in both]:
        operation = both[method]
        anchor = operation["operationId"]
        asked = [_resolved(document, each) for each in (*both.get("parameters", ()), *operation["parameters"])]
        yield f'<section aria-labelledby="{anchor}"><h2 id="{anchor}">'
        yield f'<a href="#{anchor}">{method.upper()} {escape(path)}</a></h2>\n'
        text = escape(operation["summary"]) if method != "head" else "As GET, without the content."
        yield f"<p>{text}</p>\n<pre><code>{escape(_curl(path, method, operation, asked))}</code></pre>\n"
        if method != "head":
            yield from _details(document, operation, asked)
        yield "</section>\n"


def _details(document: dict[str, Any], operation: dict[str, Any], asked: list[dict[str, Any]]) -> Iterator[str]:
    heard = [each["name"] for each in asked if each["in"] == "header"]
    answers = {status: _resolved(document, each) for status, each in operation["responses"].items()}
    sent = sorted({name for each in answers.values() for name in each["headers"]})
    yield "<dl>\n"
    yield from (_parameter(each) for each in asked if each["in"] != "header")
    for status, answer in answers.items():
        types = ", ".join(f"<code>{escape(each)}</code>" for each in answer.get("content", ()))
        yield f"<dt>{status}<dd>{_text(answer['description'])}{f': {types}' if types else ''}\n"
    for title, names in (("Fields heard", heard), ("Fields sent", sent)):
        if names:
            yield f"<dt>{title}<dd>{', '.join(f'<code>{name}</code>' for name in names)}\n"
    yield "</dl>\n"


def _parameter(parameter: dict[str, Any]) -> str:
    schema = parameter["schema"].get("items", parameter["schema"])
    values = "|".join(schema["enum"]) if "enum" in schema else schema.get("format", schema["type"])
    place = "in the path" if parameter["in"] == "path" else "required" if parameter["required"] else "optional"
    text = f": {_text(parameter['description'])}" if "description" in parameter else ""
    return f"<dt><code>{escape(parameter['name'])}</code><dd>{place}, {escape(values)}{text}\n"


def _text(text: str) -> str:
    return re.sub("`(.*?)`", r"<code>\1</code>", escape(text))


def _curl(path: str, method: str, operation: dict[str, Any], parameters: list[dict[str, Any]]) -> str:
    """A line for a shell; what is to be filled in stands in capitals."""
    needed = [each["name"] for each in parameters if each["in"] == "query" and each["required"]]
    url = path.replace("{", "").replace("}", "")
    for name in (each["name"] for each in parameters if each["in"] == "path"):
        url = path.replace(f"{{{name}}}", name.upper())
    query = "&".join(f"{name}={name.upper()}" for name in needed)
    saves = "Content-Disposition" in operation["responses"].get("200", {}).get("headers", ())
    options = {"head": "-I", "post": "-id NAME=VALUE"}.get(method, "-OJ" if saves else "-s")
    return f"curl {options} '{BASE}{url}{'?' if query else ''}{query}'"


def _resolved(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """A part with what it refers to."""
    found: Any = document
    for name in part.get("$ref", "").split("/")[1:]:
        found = found[name]
    return part if found is document else {**found, **part}
