"""Blocks stand alone, end on a byte and never grow; what decides about them has a name."""

import os
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_downloads.bodies.zip import deflate as deflate
from asgi_downloads.bodies.zip.deflate import AUTO, DEFLATE, identity, pack_block, packed_share, sample_offsets
from asgi_downloads.bodies.zip.records import MAX_32

TEXT = b"".join(b"line %d of a text that packs well\n" % n for n in range(40_000))


def unpack(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(-15)
    content = unpacker.decompress(packed) + unpacker.flush()
    assert unpacker.eof
    assert not unpacker.unused_data
    return content


CONTENT = {
    "text": TEXT,
    "one-byte": b"x",
    "noise": os.urandom(1 << 20),
    "noise-of-65535": os.urandom(65_535),
    "noise-of-65536": os.urandom(65_536),
    "zeros": bytes(1 << 20),
    "little-text": TEXT[:3000],
}


@pytest.fixture(params=["as-installed", "standard-library"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "standard-library":
        monkeypatch.setattr(deflate, "_zlib", zlib)
        monkeypatch.setattr(deflate, "_LEVEL", 6)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("name", CONTENT)
def test_blocks_join_to_one_stream(name: str) -> None:
    data = CONTENT[name]
    first, last = pack_block(data, last=False), pack_block(data, last=True)
    assert unpack(first + last) == data * 2
    assert unpack(first + first + last) == data * 3
    for packed in (first, last):
        assert len(packed) <= len(data) + 5 * -(-len(data) // 65_535) + 5


@settings(max_examples=50)
@given(st.lists(st.binary(min_size=1, max_size=500), min_size=1, max_size=4))
def test_any_blocks_join(blocks: list[bytes]) -> None:
    packed = [pack_block(block, last=index == len(blocks) - 1) for index, block in enumerate(blocks)]
    assert unpack(b"".join(packed)) == b"".join(blocks)


def test_a_block_comes_out_the_same_every_time() -> None:
    assert pack_block(TEXT, last=False) == pack_block(memoryview(bytearray(TEXT)), last=False)
    assert identity() == identity()


def test_another_compressor_has_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    before = DEFLATE.form
    identity.cache_clear()
    monkeypatch.setattr(deflate, "_LEVEL", 1)
    try:
        assert DEFLATE.form != before
        assert AUTO.form != DEFLATE.form
    finally:
        identity.cache_clear()


@pytest.mark.parametrize(
    ("content", "low", "high"), [(TEXT, 0.0, 0.6), (CONTENT["noise"], 1.0, 1.3)], ids=["text", "noise"]
)
def test_samples_tell_what_packs(content: bytes, low: float, high: float) -> None:
    samples = [content[offset : offset + count] for offset, count in sample_offsets(len(content))]
    assert sum(map(len, samples)) == 4 * 4096
    assert low < packed_share(samples) < high


def test_samples_lie_inside_the_file() -> None:
    for size in (0, 1, 4095, 4096, 10_000):
        assert all(offset >= 0 and offset + count <= size for offset, count in sample_offsets(size))
    assert packed_share([]) == 1.0


def test_which_members_are_considered() -> None:
    assert DEFLATE.considers("photo.JPG", 1000)
    assert not AUTO.considers("photo.JPG", 1000)
    assert AUTO.considers("notes.txt", 1000)
    assert not DEFLATE.considers("empty", 0)
    assert not DEFLATE.considers("edge", MAX_32 - 1), "packed it might need the ZIP64 form that its size does not"
    assert DEFLATE.considers("beyond", MAX_32)
