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
    return 4 * workers + 4


class Tally:
    """`rows` times `columns` numbers, all 0 at first."""

    def __init__(self, rows: int, columns: int) -> None:
        self.columns = columns
        self._cells: Row = memoryview(mmap.mmap(-1, rows * columns * 8)).cast("d")

    def row(self, number: int) -> "Row":
        """The row of one process, to be written by it alone."""
        return self._cells[number * self.columns : (number + 1) * self.columns]

    def clear(self, number: int) -> None:
        """Set a whole row to 0."""
        self.row(number)[:] = memoryview(bytes(8 * self.columns)).cast("d")

    def total(self, column: int) -> float:
        """The sum of a column over all processes, those that have ended included."""
        return sum(self._cells[column :: self.columns])
