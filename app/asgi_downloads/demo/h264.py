"""H.264 (ITU-T H.264, constrained baseline) without compression: a macroblock is sent raw or not at all.

An unchanged macroblock of a later picture is skipped, a changed one is I_PCM; nothing is predicted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from asgi_downloads.demo.bits import Bits

_NON_IDR, _IDR, _SPS, _PPS = 0x41, 0x65, 0x67, 0x68
PROFILE = b"\x42\xc0\x1e"
"""Baseline, constrained, level 3: the bytes that the SPS and MP4's avcC share."""

Macroblock = bytes
"""16x16 luma samples, then 8x8 of each chroma: 384 bytes."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One access unit: a NAL unit, and whether decoding may start with it."""

    nal: bytes
    key: bool


class _Syntax(Bits):
    """Bits with the codes of §9.1."""

    __slots__ = ()

    def ue(self, value: int) -> None:
        width = (value + 1).bit_length()
        self.put(value + 1, 2 * width - 1)

    def se(self, value: int) -> None:
        self.ue(2 * value - 1 if value > 0 else -2 * value)

    def nal(self, header: int) -> bytes:
        """Ends the RBSP and keeps start codes out of it (§7.4.1.1)."""
        self.put(1, 1)
        self.align(0)
        out = bytearray((header,))
        zeros = 0
        for byte in bytes(self):
            if zeros == 2 and byte <= 3:
                out.append(3)
                zeros = 0
            zeros = zeros + 1 if byte == 0 else 0
            out.append(byte)
        return bytes(out)


def sequence_parameters(columns: int, rows: int) -> bytes:
    """The SPS NAL unit (§7.3.2.1) for pictures of so many macroblocks."""
    bits = _Syntax()
    bits.extend(PROFILE)
    bits.ue(0)  # seq_parameter_set_id
    bits.ue(0)  # frame_num has 4 bits
    bits.ue(2)  # pic_order_cnt_type: shown in the order of decoding
    bits.ue(1)  # one reference frame
    bits.put(0, 1)
    bits.ue(columns - 1)
    bits.ue(rows - 1)
    bits.put(0b11, 2)  # frames only, direct_8x8_inference
    bits.put(0b00, 2)  # no cropping, no VUI
    return bits.nal(_SPS)


def picture_parameters() -> bytes:
    """The PPS NAL unit (§7.3.2.2)."""
    bits = _Syntax()
    bits.ue(0)  # pic_parameter_set_id
    bits.ue(0)  # seq_parameter_set_id
    bits.put(0b00, 2)  # CAVLC, no field order
    bits.ue(0)  # one slice group
    bits.ue(0)
    bits.ue(0)
    bits.put(0b000, 3)  # no weighted prediction
    bits.se(0)
    bits.se(0)
    bits.se(0)
    bits.put(0b100, 3)  # the slices say whether they are deblocked
    return bits.nal(_PPS)


def pictures(count: int, key_every: int, draw: Callable[[int], list[Macroblock]]) -> Iterator[Picture]:
    """`count` pictures; `draw(i)` gives the macroblocks of picture `i`, row by row."""
    before: list[Macroblock] = []
    for index in range(count):
        now = draw(index)
        since_key = index % key_every
        if since_key == 0:
            yield Picture(_key_slice(now, index // key_every), key=True)
        else:
            yield Picture(_slice(now, before, since_key), key=False)
        before = now


def _key_slice(macroblocks: list[Macroblock], key_index: int) -> bytes:
    bits = _Syntax()
    bits.ue(0)  # first_mb_in_slice
    bits.ue(7)  # an I slice, as all of the picture
    bits.ue(0)
    bits.put(0, 4)  # frame_num
    bits.ue(key_index % 2)  # idr_pic_id differs between neighbours
    bits.put(0b00, 2)  # dec_ref_pic_marking
    bits.se(0)
    bits.ue(1)  # not deblocked
    for macroblock in macroblocks:
        _put_raw(bits, 25, macroblock)
    return bits.nal(_IDR)


def _slice(macroblocks: list[Macroblock], before: list[Macroblock], since_key: int) -> bytes:
    bits = _Syntax()
    bits.ue(0)
    bits.ue(5)  # a P slice, as all of the picture
    bits.ue(0)
    bits.put(since_key % 16, 4)  # frame_num
    bits.put(0b00, 2)  # default number and order of references
    bits.put(0, 1)  # dec_ref_pic_marking: sliding window
    bits.se(0)
    bits.ue(1)
    skipped = 0
    for now, then in zip(macroblocks, before, strict=True):
        if now == then:
            skipped += 1
            continue
        bits.ue(skipped)  # mb_skip_run
        _put_raw(bits, 5 + 25, now)
        skipped = 0
    if skipped:
        bits.ue(skipped)
    return bits.nal(_NON_IDR)


def _put_raw(bits: _Syntax, mb_type: int, macroblock: Macroblock) -> None:
    bits.ue(mb_type)  # I_PCM (§7.3.5)
    bits.align(0)
    bits.extend(macroblock)
