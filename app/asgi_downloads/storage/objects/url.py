"""Where a tree in an object store is: `s3://bucket/prefix`."""

import re
from dataclasses import dataclass
from typing import Self

_URL = re.compile(r"s3://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]{2,62})(?P<prefix>(?:/[^/\x00-\x1f\x7f]+)*)/?")


@dataclass(frozen=True, slots=True)
class StoreURL:
    """A bucket and a prefix in it, which is empty or ends in "/"; paths are appended as to a `pathlib.Path`."""

    bucket: str
    prefix: str = ""

    @classmethod
    def of(cls, text: str) -> Self:
        """What is written so; raises `ValueError`."""
        match = _URL.fullmatch(text)
        if match is None or {".", ".."} & set(match["prefix"].split("/")):
            raise ValueError(text)
        return cls(match["bucket"], f"{match['prefix'][1:]}/" if match["prefix"] else "")

    def __truediv__(self, name: str) -> "StoreURL":
        return StoreURL(self.bucket, f"{self.prefix}{name}/")

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def is_relative_to(self, other: str) -> bool:
        """Whether it is that one, or below it."""
        return f"{self}/".startswith(f"{other}/")

    @property
    def name(self) -> str:
        """The last name of it."""
        return str(self).rpartition("/")[2]
