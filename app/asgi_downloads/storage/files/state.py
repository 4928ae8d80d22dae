"""Which state of which file: the facts that any change of its content moves."""

import os
from typing import NamedTuple, Self

SETTLING_NS = 2_000_000_000
"""Nanoseconds for which a changed file may change again unseen: the coarsest clock of a file system."""

_LEAST, _MOST = -(1 << 63), (1 << 63) - 1


class FileState(NamedTuple):
    """What `fstat` says of one state of one file; sizes in bytes, times in nanoseconds since the epoch.

    Every field fits a signed column of 64 bits: times before 1677 and after 2262 are clamped, an inode may be negative.
    """

    dev: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """The state that a stat result tells."""
        state = cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if min(state) >= _LEAST and max(state) <= _MOST:
            return state
        inode = (state.inode - _LEAST) % (1 << 64) + _LEAST
        return state._replace(inode=inode, mtime_ns=_clamped(state.mtime_ns), ctime_ns=_clamped(state.ctime_ns))

    def is_settled(self, now_ns: int) -> bool:
        """Whether a later change would show: two writes within a tick of the clock leave the same times.

        An mtime in the future was set by hand, so that it says nothing.
        """
        settled = now_ns - SETTLING_NS
        return self.ctime_ns < settled and not settled <= self.mtime_ns <= now_ns


def _clamped(time_ns: int) -> int:
    return min(max(time_ns, _LEAST), _MOST)
