"""Numbers that forked processes share: each writes its own row, and everybody may add up a column.

An anonymous mapping: nothing lies in the file system, and nothing is left whoever is killed.
"""

import mmap
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    Row: TypeAlias = memoryview[float]
else:
    Row = memoryview


def places(workers: int) -> int:
    """How many processes there may be at a time, with those that finish what they have begun."""
    return 4 * workers + 4 if workers > 1 else 1


class Counters:
    """`columns` numbers of each of `places(workers)` processes, all 0 at first; `row` is this process's own.

    The first `present` columns say what is now, and are 0 again when their process is dead. The others go on counting.
    """

    row: Row

    def __init__(self, workers: int, columns: int, present: int) -> None:
        self._columns = columns
        self._nothing = memoryview(bytes(8 * present)).cast("d")
        self._cells: Row = memoryview(mmap.mmap(-1, places(workers) * columns * 8)).cast("d")
        self.take_row(0)

    def take_row(self, number: int) -> None:
        """This process counts in row `number`, on from where the last one ended that had it."""
        self.ended(number)
        self.row = self._cells[number * self._columns : (number + 1) * self._columns]

    def ended(self, number: int) -> None:
        """The process of that row is dead, and its downloads with it."""
        start = number * self._columns
        self._cells[start : start + len(self._nothing)] = self._nothing

    def total(self, column: int) -> float:
        """The sum of a column over all processes, those that have ended included."""
        return sum(self._cells[column :: self._columns])
