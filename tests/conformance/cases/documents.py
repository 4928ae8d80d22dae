"""Schema and documentation pages, rows L1 to L3; health, which FastAPI does not have."""

import re

from tests.conformance.case import Json, choice, get, head, want

NONE = want(404, Json({"detail": "Not Found"}))
SCHEMA = want(200, re.compile(rb'\{.*"openapi":"3\.1\.0".*\}', re.DOTALL), content_type="application/json")
PAGE = want(200, content_type="text/html; charset=utf-8")

CASES = [
    choice("schema", "L1", "a schema is optional", get("/openapi.json"), [NONE, SCHEMA]),
    choice(
        "schema-under-a-prefix",
        "L3",
        "without a schema there is none under a prefix",
        get("/openapi.json?x=1"),
        [NONE, SCHEMA],
    ),
    *(
        choice(f"documents-{name}", "L2", "documentation pages are optional", get(f"/{name}"), [NONE, PAGE])
        for name in ("docs", "redoc", "docs/oauth2-redirect")
    ),
    choice("documents-newline", "A8 L2", "a literal path is matched as it is", get("/docs%0A"), NONE),
    *(
        choice(
            f"health-{name}",
            "K1",
            "what watches the service asks here",
            [get(f"/{name}"), head(f"/{name}")],
            200,
            want(200, b""),
        )
        for name in ("livez", "readyz", "healthz")
    ),
]
