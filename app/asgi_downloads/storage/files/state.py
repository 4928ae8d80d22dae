"""Which state of which file: the facts that any change of its content moves."""

import os
from typing import NamedTuple, Self

SETTLING_NS = 2_000_000_000
"""Nanoseconds for which a changed file may change again unseen: the coarsest clock of a file system."""


class FileState(NamedTuple):
    """What `fstat` says of one state of one file; sizes in bytes, times in nanoseconds since the epoch."""

    dev: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """The state that a stat result tells."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def is_settled(self, now_ns: int) -> bool:
        """Whether a later change would show: two writes within a tick of the clock leave the same times."""
        return max(self.mtime_ns, self.ctime_ns) < now_ns - SETTLING_NS
