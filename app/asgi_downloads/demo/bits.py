"""Bits in order, the first of a byte its highest; JPEG and H.264 are written in them."""


class Bits:
    """A growing row of bits."""

    __slots__ = ("_data", "_pending", "_room")

    def __init__(self) -> None:
        self._data = bytearray()
        self._pending = 0
        self._room = 8

    def put(self, value: int, width: int) -> None:
        """The `width` low bits of `value`, highest first."""
        for shift in range(width - 1, -1, -1):
            self._room -= 1
            self._pending |= (value >> shift & 1) << self._room
            if not self._room:
                self._data.append(self._pending)
                self._pending, self._room = 0, 8

    def align(self, bit: int) -> None:
        """Fill the last byte with `bit`; nothing when it is full."""
        while self._room != 8:
            self.put(bit, 1)

    def extend(self, data: bytes) -> None:
        """Whole bytes, at a byte's border."""
        assert self._room == 8
        self._data += data

    def __bytes__(self) -> bytes:
        assert self._room == 8
        return bytes(self._data)
