"""A state is told from every other one, and fits the columns it is kept in."""

import os
from array import array
from dataclasses import dataclass
from typing import Any

import pytest

from asgi_downloads.storage.files.state import SETTLING_NS, FileState

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND


def status(
    dev: int = 1, inode: int = 2, size: int = 3, mtime_ns: int = 4, ctime_ns: int = 5, **more: Any
) -> os.stat_result:
    values = (0o100644, inode, dev, 1, 0, 0, size, 0, 0, 0)
    return os.stat_result(values, {"st_mtime_ns": mtime_ns, "st_ctime_ns": ctime_ns, **more})


def test_the_facts_of_a_status() -> None:
    assert FileState.of(status()) == (1, 2, 3, 4, 5)


@pytest.mark.parametrize("fact", ["dev", "inode", "size", "mtime_ns", "ctime_ns"])
def test_every_fact_tells_states_apart(fact: str) -> None:
    assert FileState.of(status(**{fact: 77})) != FileState.of(status())


@dataclass(frozen=True)
class Extreme:
    id: str
    status: os.stat_result
    field: str
    want: int


EXTREMES = [
    Extreme("the-year-2300", status(mtime_ns=10_413_792_000 * SECOND), "mtime_ns", (1 << 63) - 1),
    Extreme("the-year-9000", status(mtime_ns=221_845_392_000 * SECOND), "mtime_ns", (1 << 63) - 1),
    Extreme("the-year-1000", status(mtime_ns=-30_610_224_000 * SECOND), "mtime_ns", -(1 << 63)),
    Extreme("before-1970", status(mtime_ns=-1), "mtime_ns", -1),
    Extreme("an-inode-of-64-bits", status(inode=(1 << 64) - 5), "inode", -5),
]


@pytest.mark.parametrize("case", EXTREMES, ids=lambda case: case.id)
def test_every_field_fits_a_signed_column(case: Extreme) -> None:
    state = FileState.of(case.status)
    assert getattr(state, case.field) == case.want
    array("q", state)


@dataclass(frozen=True)
class Settling:
    id: str
    mtime_ns: int
    ctime_ns: int
    want: bool


SETTLINGS = [
    Settling("long-ago", NOW - 3600 * SECOND, NOW - 3600 * SECOND, want=True),
    Settling("just-now", NOW, NOW, want=False),
    Settling("within-the-coarsest-tick", NOW - SETTLING_NS + 1, NOW - SETTLING_NS + 1, want=False),
    Settling("mtime-put-back-just-now", NOW - 3600 * SECOND, NOW, want=False),
    Settling("ctime-is-no-time-of-change-there", NOW, 0, want=False),
    Settling("mtime-in-the-future-long-ago", NOW + 3600 * SECOND, NOW - 3600 * SECOND, want=True),
]


@pytest.mark.parametrize("case", SETTLINGS, ids=lambda case: case.id)
def test_settled_is_what_cannot_change_unseen(case: Settling) -> None:
    assert FileState(1, 2, 3, case.mtime_ns, case.ctime_ns).is_settled(NOW) == case.want
