"""How a place in a store is written."""

import pytest

from asgi_downloads.storage.objects.url import StoreURL

GOOD = {
    "s3://bucket": StoreURL("bucket"),
    "s3://bucket/": StoreURL("bucket"),
    "s3://my.bucket-1/a": StoreURL("my.bucket-1", "a/"),
    "s3://bucket/a b/é/": StoreURL("bucket", "a b/é/"),
    "s3://bucket/...": StoreURL("bucket", ".../"),
}
BAD = ["s3://", "s3://ab", "s3:///a", "s3://bucket//a", "s3://bucket/a//b", "s3://bucket/a/../b", "s3://bucket/."]
BAD += ["s3://bucket/a\nb", "s3://buck et/a", "s3://bucket/a//", "S3://bucket", "gs://bucket", "s3://user:pw@bucket"]


@pytest.mark.parametrize("text", GOOD)
def test_it_is_read(text: str) -> None:
    assert StoreURL.of(text) == GOOD[text]


@pytest.mark.parametrize("text", GOOD)
def test_what_is_shown_is_read_alike(text: str) -> None:
    assert StoreURL.of(str(GOOD[text])) == GOOD[text]


@pytest.mark.parametrize("text", BAD)
def test_it_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        StoreURL.of(text)


def test_names_are_appended_as_to_a_path() -> None:
    url = StoreURL.of("s3://bucket/a")
    assert (str(url / "b"), (url / "b").name, url.name, StoreURL("bucket").name) == (
        "s3://bucket/a/b",
        "b",
        "a",
        "bucket",
    )


@pytest.mark.parametrize(
    ("other", "below"),
    [
        ("s3://bucket", True),
        ("s3://bucket/a", True),
        ("s3://bucket/a/b", True),
        ("s3://bucket/ab", False),
        ("s3://bucket/a/b/c", False),
        ("s3://other", False),
        ("/a/b", False),
    ],
)
def test_it_is_below(other: str, below: bool) -> None:
    assert StoreURL.of("s3://bucket/a/b").is_relative_to(other) is below
