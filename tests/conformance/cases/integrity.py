"""Repr-Digest (RFC 9530) and Digest (RFC 3230) when they are asked for.

FastAPI has none, and no row asks for it; extra fields are free (E8).
"""

import base64
import hashlib

from tests.conformance import tree
from tests.conformance.case import Request, get, head, rfc, want


def _digest(path: str) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(tree.content(path)).digest()).decode()}:"


DATA = "/download/data.bin"
DIGEST = _digest("downloads/data.bin")
ASKED = {
    "plain": "sha-256=1",
    "highest": "sha-256=10",
    "among-others": "sha-512=3, sha-256=10, unixsum=0",
    "with-a-parameter": "sha-256=5;q=1",
}
OLD = f"SHA-256={DIGEST[9:-1]}"
ASKED_BEFORE = {"by-aria2": "SHA-512;q=1, SHA-256;q=1, SHA;q=0.1", "in-lower-case": "sha-256"}
UNASKED_BEFORE = {"zero": "SHA-256;q=0", "others-alone": "SHA-512;q=1", "garbage": "!!"}
UNASKED = {"zero": "sha-256=0", "others-alone": "sha-512=9, md5=1", "garbage": "!!", "upper-case": "SHA-256=5"}

CASES = [
    *(
        rfc(f"digest-{name}", "E8", "RFC 9530 §4", get(DATA, Want_Repr_Digest=value), want(200, repr_digest=DIGEST))
        for name, value in ASKED.items()
    ),
    *(
        rfc(f"digest-not-{name}", "E8", "RFC 9530 §4", get(DATA, Want_Repr_Digest=value), want(200, repr_digest=None))
        for name, value in UNASKED.items()
    ),
    *(
        rfc(
            f"digest-before-9530-{name}",
            "E8",
            "RFC 3230 §4.3.1",
            get(DATA, Want_Digest=value),
            want(200, digest=OLD, repr_digest=None),
        )
        for name, value in ASKED_BEFORE.items()
    ),
    *(
        rfc(
            f"digest-before-9530-not-{name}",
            "E8",
            "RFC 3230 §4.3.1",
            get(DATA, Want_Digest=value),
            want(200, digest=None),
        )
        for name, value in UNASKED_BEFORE.items()
    ),
    rfc(
        "digest-before-9530-of-a-range",
        "E8 G1",
        "RFC 3230 §4.3.2",
        get(DATA, Want_Digest="SHA-256", Range="bytes=0-9"),
        want(206, digest=OLD),
    ),
    rfc(
        "digest-before-9530-not-of-a-304",
        "E8 I11",
        "15.4.5",
        get(DATA, Want_Digest="SHA-256", If_None_Match="*"),
        want(304, b"", digest=None),
    ),
    rfc("digest-unasked", "E8", "RFC 9530 §4", get(DATA), want(200, repr_digest=None)),
    rfc(
        "digest-of-head",
        "E8 B1",
        "RFC 9530 §3",
        head(DATA, Want_Repr_Digest="sha-256=1"),
        want(200, b"", repr_digest=DIGEST),
    ),
    # The digest is of the whole representation, whatever part of it is sent.
    rfc(
        "digest-of-a-range",
        "E8 G1",
        "RFC 9530 §3",
        get(DATA, Want_Repr_Digest="sha-256=1", Range="bytes=0-9"),
        want(206, repr_digest=DIGEST),
    ),
    rfc(
        "digest-of-several-ranges",
        "E8 H1",
        "RFC 9530 §3",
        get(DATA, Want_Repr_Digest="sha-256=1", Range="bytes=0-9,4000-"),
        want(206, repr_digest=DIGEST),
    ),
    rfc(
        "digest-of-nothing",
        "E8",
        "RFC 9530 §3",
        get("/download/empty.bin", Want_Repr_Digest="sha-256=1"),
        want(200, b"", repr_digest=_digest("downloads/empty.bin")),
    ),
    rfc(
        "digest-not-of-a-304",
        "E8 I11",
        "15.4.5",
        get(DATA, Want_Repr_Digest="sha-256=1", If_None_Match="*"),
        want(304, b"", repr_digest=None, content_disposition=None),
    ),
    rfc("digest-of-an-error", "E8", "RFC 9530 §3", get("/download/missing", Want_Repr_Digest="sha-256=1"), want(404)),
    rfc(
        "digest-in-two-lines",
        "E8",
        "5.3",
        Request(DATA.encode(), headers=(("Want-Repr-Digest", "md5=1"), ("Want-Repr-Digest", "sha-256=2"))),
        want(200, repr_digest=DIGEST),
    ),
]
