"""Signed URLs: whoever has one may make that request until it expires (AWS Signature Version 4, in the query).

Pure: the time is a parameter.
"""

import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Self
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Signer:
    """The account of a store and where that is. None of it is shown by `repr`."""

    endpoint: str = field(repr=False)
    region: str = field(repr=False)
    key_id: str = field(repr=False)
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self | None:
        """What AWS's own variables say; None without a key in them."""
        region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
        key_id, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
        if not key_id or not secret:
            return None
        endpoint = endpoint or f"https://s3.{region}.amazonaws.com"
        return cls(endpoint.rstrip("/"), region, key_id, secret, environ.get("AWS_SESSION_TOKEN", ""))

    def sign(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        now: float,
        expires: int = 60,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """The URL of `path`, `/bucket/key` as it is, with `query`; good for `expires` seconds from `now` on.

        Whoever asks sends the `headers`, in small letters, besides.
        """
        server, slash, base = self.endpoint.removeprefix("https://").removeprefix("http://").partition("/")
        scheme = self.endpoint.partition("://")[0]
        target = _quoted(slash + base + path, "/")
        signed_fields = dict(sorted({"host": server, **(headers or {})}.items()))
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        scope = f"{stamp[:8]}/{self.region}/s3/aws4_request"
        fields = {
            **query,
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{self.key_id}/{scope}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(expires),
            "X-Amz-SignedHeaders": ";".join(signed_fields),
            **({"X-Amz-Security-Token": self.token} if self.token else {}),
        }
        text = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted(fields.items()))
        lines = "".join(f"{name}:{value}\n" for name, value in signed_fields.items())
        canonical = f"{method}\n{target}\n{text}\n{lines}\n{';'.join(signed_fields)}\nUNSIGNED-PAYLOAD"
        signed = f"{_ALGORITHM}\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        key = f"AWS4{self.secret}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return f"{scheme}://{server}{target}?{text}&X-Amz-Signature={hmac.digest(key, signed.encode(), 'sha256').hex()}"


def _quoted(text: str, safe: str = "") -> str:
    return quote(text, safe=f"{safe}-_.~")
