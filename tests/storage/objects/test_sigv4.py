"""Signed URLs: AWS's own example, and that nothing of an account is shown."""

import pytest

from asgi_downloads.storage.objects.sigv4 import Signer
from tests.support.swift import Swift

ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}
MAY_24_2013 = 1369353600


def signer(**environ: str) -> Signer:
    found = Signer.of({**ACCOUNT, **environ})
    assert found is not None
    return found


def test_the_example_of_the_documentation() -> None:
    """Authenticating Requests: Using Query Parameters (AWS Signature Version 4)."""
    url = signer(AWS_ENDPOINT_URL="https://examplebucket.s3.amazonaws.com").sign(
        "GET", "/test.txt", {}, MAY_24_2013, 86400
    )
    assert url == (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


WHERE = {
    "aws": ({}, "https://s3.us-east-1.amazonaws.com/b/k?"),
    "a-region": ({"AWS_REGION": "eu-west-1"}, "https://s3.eu-west-1.amazonaws.com/b/k?"),
    "a-default-region": ({"AWS_DEFAULT_REGION": "eu-west-1"}, "https://s3.eu-west-1.amazonaws.com/b/k?"),
    "an-endpoint": ({"AWS_ENDPOINT_URL": "http://[::1]:9000/"}, "http://[::1]:9000/b/k?"),
    "an-endpoint-for-s3": ({"AWS_ENDPOINT_URL": "http://x", "AWS_ENDPOINT_URL_S3": "http://y"}, "http://y/b/k?"),
    "an-endpoint-with-a-path": ({"AWS_ENDPOINT_URL": "https://x/s3"}, "https://x/s3/b/k?"),
}


@pytest.mark.parametrize("case", WHERE)
def test_where_it_leads(case: str) -> None:
    environ, start = WHERE[case]
    assert signer(**environ).sign("GET", "/b/k", {}, 0).startswith(start)


def test_a_token_is_part_of_it() -> None:
    assert "&X-Amz-Security-Token=a%2Fb&" in signer(AWS_SESSION_TOKEN="a/b").sign("GET", "/b/k", {}, 0)


@pytest.mark.parametrize("missing", ACCOUNT)
def test_without_an_account_there_is_none(missing: str) -> None:
    assert Signer.of({**ACCOUNT, missing: ""}) is None


def test_nothing_of_the_account_is_shown() -> None:
    assert repr(signer(AWS_ENDPOINT_URL="http://inside", AWS_SESSION_TOKEN="t")) == "Signer()"


@pytest.mark.slow
@pytest.mark.parametrize("key", ["plain", "a b+c%d/é?#&=", "~-_.*'()!", "a//b", "\U0001f600"])
def test_a_real_store_takes_it(swift: Swift, key: str) -> None:
    swift.put("signed", "", b"")
    swift.put("signed", key, key.encode())
    assert swift.ask("GET", f"/signed/{key}") == (200, key.encode())


def test_headers_are_part_of_what_is_signed() -> None:
    account = signer()
    url = account.sign("HEAD", "/b/k", {}, 0, 60, {"x-amz-checksum-mode": "ENABLED"})
    assert "&X-Amz-SignedHeaders=host%3Bx-amz-checksum-mode&" in url
    assert (
        url.rpartition("=")[2]
        != account.sign("HEAD", "/b/k", {}, 0, 60, {"x-amz-checksum-mode": "x"}).rpartition("=")[2]
    )
