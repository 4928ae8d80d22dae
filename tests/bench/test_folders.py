"""The pages that are measured are right ones."""

from pathlib import Path

import pytest

from bench.folders import LISTINGS, Listing, check, measure
from bench.targets import missing


@pytest.mark.slow
@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.title)
def test_each_answer_is_looked_at_before_it_is_timed(listing: Listing, tmp_path: Path) -> None:
    if reason := missing(listing.target.needs):
        pytest.skip(reason)
    for number in range(7):
        (tmp_path / f"entry-{number}.txt").touch()
    (cost,) = measure(listing, tmp_path, 7, rounds=1)
    assert 0 < cost.first <= cost.last
    assert cost.size > 7 * 11
    with pytest.raises(AssertionError, match="7 entries, not 8"):
        measure(listing, tmp_path, 8, rounds=1)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 404 Not Found\r\n\r\nentry-0.txt", b"", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_what_is_no_list_is_not_timed(answer: bytes) -> None:
    with pytest.raises(AssertionError):
        check(answer, 1)
