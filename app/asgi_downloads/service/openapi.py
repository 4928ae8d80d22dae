"""The OpenAPI document of a table of routes: what is asked and answered, right for bytes, for parts and for HEAD."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from typing import Any

from asgi_downloads.asgi.parameter import Parameter
from asgi_downloads.asgi.router import Route

VERSION = "3.1.0"

_RANGE = ("Range", "If-Range")
_CONDITIONS = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since")

ASKED = {
    "Range": "Parts of the content, in bytes",
    "If-Range": "Parts only of this ETag or date, else the whole",
    "If-Match": "ETags of which it must be one",
    "If-None-Match": "ETags that the client has",
    "If-Modified-Since": "The date of what the client has",
    "If-Unmodified-Since": "The date since which it must not have changed",
    "Want-Repr-Digest": "`sha-256=1` asks for the digest of the whole (RFC 9530)",
    "Want-Digest": "`SHA-256` asks for it as RFC 3230 has it",
}
"""Fields of requests, each with its meaning."""

FIELDS = {
    "Allow": "Which methods it takes",
    "Accept-Ranges": "`bytes`: parts can be asked for",
    "Cache-Control": "How the answer may be kept",
    "Content-Disposition": "Whether to show or to save it, and its name",
    "Content-Encoding": "`gzip`, where that is preferred",
    "Content-Length": "Bytes of the content",
    "Content-Range": "Which bytes these are, or how many there are",
    "Content-Security-Policy": "What a page may do",
    "Digest": "The digest of the whole, where it was asked for and is known (RFC 3230)",
    "ETag": "A strong validator",
    "Location": "Where to go, relative to here",
    "Last-Modified": "When it was last changed",
    "Referrer-Policy": "`no-referrer`: no other site learns the address",
    "Repr-Digest": "The digest of the whole, where it was asked for and is known (RFC 9530)",
    "Retry-After": "Seconds until it is worth asking again",
    "Set-Cookie": "Stands for the password from now on",
    "Vary": "Which fields of the request decide about the answer",
    "WWW-Authenticate": "How to give the password",
    "X-Accel-Buffering": "Tells nginx to pass it on as it comes",
    "X-Bundle-Omitted": "How many files cannot be read, or lead out, and are left out",
    "X-Content-Type-Options": "`nosniff`",
    "X-Report-ID": "The report's id",
    "X-Robots-Tag": "`noindex`: not for search engines",
}
"""Fields of answers, each with its meaning. What belongs to the connection is not described: Date, Connection."""

_CONTENT = ("Cache-Control", "Content-Disposition", "Content-Length", "X-Content-Type-Options")
_VALIDATORS = ("ETag", "Last-Modified")
_GUARDS = ("Content-Security-Policy", "X-Content-Type-Options")
_WHOLE = (*_CONTENT, *_VALIDATORS, "Accept-Ranges")
_ERROR = ("Content-Length", "X-Content-Type-Options")
_ELSEWHERE = ("Content-Length", "Location")
_NO_CONTENT = (303, 304, 307, 308)

ANSWERS: dict[int, tuple[str, tuple[str, ...]]] = {
    200: ("The content", ()),
    206: ("The parts that were asked for", ("Content-Range",)),
    304: ("What the client has is still right", (*_VALIDATORS, "Cache-Control", *_GUARDS)),
    303: ("What was asked for is there, by GET", _ELSEWHERE),
    307: ("It is elsewhere", _ELSEWHERE),
    308: ("It is elsewhere for good", _ELSEWHERE),
    400: ("The path or a field is malformed", _ERROR),
    401: ("It wants a password", (*_ERROR, "Cache-Control", "WWW-Authenticate")),
    404: ("Nothing is there", _ERROR),
    405: ("A form is for folders", (*_ERROR, "Allow")),
    410: ("It was there until its end", (*_ERROR, "Cache-Control")),
    412: ("A precondition does not hold", _ERROR),
    413: ("The form is too long", _ERROR),
    416: ("No part that was asked for lies within the content", (*_ERROR, "Content-Range")),
    422: ("A parameter cannot be used", _ERROR),
    429: ("Too many passwords were tried", (*_ERROR, "Retry-After")),
    500: ("The database cannot give this", _ERROR),
    501: ("An optional library is not installed", _ERROR),
    503: ("Not now, but perhaps later", (*_ERROR, "Retry-After", "Cache-Control")),
    504: ("It takes too long", _ERROR),
}
"""By status: its meaning, and its fields beyond those of the content."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What all routes of one kind have in common: fields that they read, statuses, fields of the content."""

    asks: tuple[str, ...] = ()
    answers: tuple[int, ...] = (200,)
    fields: tuple[str, ...] = _CONTENT
    posts: tuple[int, ...] = ()
    """Statuses of answers to a form."""
    told: tuple[str, ...] = ()
    """Fields of errors that people are told as a page; empty where programs alone are told."""


_FILE = (*_WHOLE, "Content-Security-Policy", "Digest", "Repr-Digest")
_ARCHIVE = ("X-Accel-Buffering", "X-Bundle-Omitted")
_SECRET = ("Referrer-Policy", "X-Robots-Tag")
_PARTS = (200, 206, 304, 400, 412, 416, 503)
KINDS = {
    "": Kind(),
    "file": Kind(tuple(ASKED), (*_PARTS, 404), _FILE),
    "content": Kind((*_RANGE, *_CONDITIONS), (*_PARTS, 404), _WHOLE),
    "made": Kind((*_RANGE, *_CONDITIONS), (*_PARTS, 501), _WHOLE),
    "rows": Kind((), (200, 500, 501, 503, 504), (*_CONTENT, "Content-Encoding", "Vary", "X-Accel-Buffering")),
    "facts": Kind(),
    "redirect": Kind((), ()),
    "browse": Kind(
        tuple(ASKED),
        (*_PARTS, 308, 404),
        (*_FILE, *_ARCHIVE, "Vary"),
        posts=(303, 400, 404, 405, 413, 422, 503),
        told=("Content-Security-Policy", "Vary"),
    ),
    "link": Kind(
        tuple(ASKED),
        (*_PARTS, 308, 401, 404, 410, 429),
        (*_FILE, *_ARCHIVE, "Vary", *_SECRET),
        posts=(303, 400, 401, 404, 405, 410, 413, 422, 429, 503),
        told=("Content-Security-Policy", "Vary", *_SECRET, "Set-Cookie", "Cache-Control"),
    ),
    "page": Kind(_CONDITIONS[:2], (200, 304, 412, 503), (*_CONTENT, "Content-Security-Policy", "ETag")),
}
"""By the `kind` of a route."""

_PROBLEM = {
    "type": "object",
    "required": ["type", "loc", "msg", "input"],
    "properties": {
        "type": {"type": "string"},
        "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
        "msg": {"type": "string"},
        "input": {},
        "ctx": {"type": "object"},
    },
}
_SCHEMAS = {
    "DownloadsStatus": {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"type": "string"}, "checks": {"type": "object"}},
    },
    "DownloadsError": {"type": "object", "required": ["detail"], "properties": {"detail": {"type": "string"}}},
    "DownloadsProblems": {
        "type": "object",
        "required": ["detail"],
        "properties": {"detail": {"type": "array", "items": _PROBLEM}},
    },
}


def openapi(routes: Iterable[Route], prefix: str = "") -> dict[str, Any]:
    """The OpenAPI 3.1 document of an application's `routes`, whose paths begin with `prefix`, where it is mounted.

    For a site whose document is to have them too:

        ours = asgi_downloads.openapi(downloads.routes, "/files")
        document["paths"] |= ours["paths"]
        for kind, named in ours["components"].items():
            document["components"].setdefault(kind, {}).update(named)
    """
    return {
        "openapi": VERSION,
        "info": {"title": "asgi-downloads", "version": "1"},
        "paths": {prefix + path_of(route): _path(route) for route in routes},
        "components": {
            "headers": {name: {"description": text, "schema": {"type": "string"}} for name, text in FIELDS.items()},
            "parameters": {
                name: {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
                for name, text in ASKED.items()
            },
            "schemas": _SCHEMAS,
        },
    }


def _name(route: Route) -> str:
    return route.name or re.sub("[^a-z0-9]+", "-", route.template.lower()).strip("-")


def path_of(route: Route) -> str:
    """The template as OpenAPI has it; where a parameter takes slashes is for its description to say."""
    return route.template.replace(":path}", "}")


def _path(route: Route) -> dict[str, Any]:
    _, brace, last = route.template.partition("{")
    name, _, whole = last.rstrip("}").partition(":")
    text = {"description": "With slashes, and one at the end for a folder"} if whole else {}
    inside = [{"name": name, "in": "path", "required": True, **text, "schema": {"type": "string"}}] if brace else []
    return {
        **({"parameters": inside} if inside else {}),
        "get": _operation(route, "get"),
        "head": _operation(route, "head"),
        **({"post": _form(route)} if KINDS[route.kind].posts else {}),
    }


def _operation(route: Route, method: str) -> dict[str, Any]:
    kind = KINDS[route.kind]
    # RFC 9110 §14.2, §9.3.2: Range means nothing to HEAD, and no answer to it has content.
    is_head = method == "head"
    statuses = {*kind.answers, *route.answers}
    if any(each.type != "flag" for each in route.parameters):
        statuses.add(422)
    asks = [name for name in kind.asks if not (is_head and name in _RANGE)]
    return {
        "operationId": f"{method}-{_name(route)}",
        "summary": route.summary,
        "parameters": [
            *map(_parameter, route.parameters),
            *({"$ref": f"#/components/parameters/{name}"} for name in asks),
        ],
        "responses": {
            str(status): _response(route, status, is_head)
            for status in sorted(statuses)
            if not (is_head and status in (206, 416))
        },
    }


def _form(route: Route) -> dict[str, Any]:
    return {
        "operationId": f"post-{_name(route)}",
        "summary": "What was ticked, or a password: a form of the page's own",
        "parameters": [],
        "requestBody": {"content": {"application/x-www-form-urlencoded": {}}},
        "responses": {str(status): _response(route, status, False) for status in KINDS[route.kind].posts},
    }


def _response(route: Route, status: int, is_head: bool) -> dict[str, Any]:
    kind = KINDS[route.kind]
    text, own = ANSWERS.get(status) or (HTTPStatus(status).phrase, ())
    types: dict[str, Any] = {}  # bytes are a media type without a schema
    if status < 300 or route.kind == "facts":
        own = (*own, *kind.fields, *route.fields)
        types = {each: _schema("Status") if route.kind == "facts" else {} for each in route.types}
        if status == 206:
            types["multipart/byteranges"] = {}
    elif status == 304:
        own = (*own, *kind.told, *route.fields)
    elif status not in _NO_CONTENT:
        own = (*own, *kind.told)
        types = {"application/json": _schema("Problems" if status == 422 else "Error")}
        if kind.told:
            types["text/html"] = {}
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in own}
    content = {"content": types} if types and not is_head else {}
    return {"description": route.answers.get(status, text), "headers": headers, **content}


def _schema(name: str) -> dict[str, Any]:
    return {"schema": {"$ref": f"#/components/schemas/Downloads{name}"}}


_TYPES: Mapping[str, dict[str, Any]] = {
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    # Or seconds since the epoch, or milliseconds where they are too many; of the years 1 to 9999.
    "datetime": {
        "type": ["string", "integer"],
        "format": "date-time",
        "minimum": -62_135_596_800_000,
        "maximum": 253_402_300_799_999,
    },
}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    found: dict[str, Any] = {"name": parameter.name, "in": "query", "required": parameter.required}
    schema: dict[str, Any] = dict(_TYPES.get(parameter.type, {"type": "string"}))
    if parameter.help:
        found["description"] = parameter.help
    if parameter.type == "flag":
        found["allowEmptyValue"] = True
    if parameter.type == "integer":
        schema |= {"minimum": parameter.least, "maximum": parameter.most}
    if parameter.choices:
        schema["enum"] = list(parameter.choices)
    if parameter.type == "words":
        found |= {"style": "form", "explode": False}
        schema = {"type": "array", "items": schema, "uniqueItems": True, "minItems": 1}
    if parameter.default is not None:
        default = parameter.default
        schema["default"] = default.isoformat() if isinstance(default, date) else default
    return {**found, "schema": schema}
