"""Numbers that forked processes share: each writes its own row, and everybody may add up a column.

An anonymous mapping: nothing lies in the file system, and nothing is left whoever is killed.
"""

import mmap


class Tally:
    """`rows` times `columns` numbers, all 0 at first. `code` as in `struct`: `d`, `Q`, `I` ..."""

    def __init__(self, rows: int, columns: int, code: str = "d") -> None:
        width = memoryview(bytes(8)).cast(code).itemsize  # type: ignore[call-overload]
        self.columns = columns
        self._map = mmap.mmap(-1, rows * columns * width)
        self._cells: memoryview = memoryview(self._map).cast(code)  # type: ignore[call-overload]

    def row(self, number: int) -> memoryview:
        """The row of one process, to be written by it alone."""
        return self._cells[number * self.columns : (number + 1) * self.columns]

    def total(self, column: int) -> float:
        """The sum of a column over all processes, those that have ended included."""
        return sum(self._cells[column :: self.columns])
