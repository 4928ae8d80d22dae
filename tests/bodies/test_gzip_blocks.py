"""What is compressed on its way out is the same when unpacked, and no later than it must be."""

import gzip
import shutil
import subprocess
import zlib
from collections.abc import AsyncGenerator
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_downloads.bodies import gzip_blocks as module
from asgi_downloads.bodies.gzip_blocks import gzip_blocks
from tests.support.tools import require

pytestmark = pytest.mark.anyio

TEXT = b"".join(b"%d,User %d,user%d@example.com\r\n" % (n, n, n) for n in range(20_000))


def _libraries() -> list[ModuleType]:
    try:
        from isal import isal_zlib
    except ModuleNotFoundError:
        return [zlib]
    return [isal_zlib, zlib]


@pytest.fixture(params=_libraries(), ids=lambda library: library.__name__)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each library that may do it, in turn."""
    monkeypatch.setattr(module, "zlib", request.param)


class Source:
    def __init__(self, *blocks: bytes, failing: bool = False) -> None:
        self.blocks = blocks
        self.failing = failing
        self.given = 0
        self.closed = False

    async def __call__(self) -> AsyncGenerator[bytes]:
        try:
            for block in self.blocks:
                self.given += 1
                yield block
            if self.failing:
                raise LookupError
        finally:
            self.closed = True


async def packed(*blocks: bytes) -> bytes:
    source = Source(*blocks)
    result = b"".join([block async for block in gzip_blocks(source())])
    assert source.closed
    return result


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    "blocks",
    [(), (b"",), (b"x",), (b"", b"x", b""), (TEXT,), tuple(TEXT[at : at + 1000] for at in range(0, len(TEXT), 1000))],
    ids=["no-block", "empty-block", "one-byte", "empty-blocks-between", "one-block", "many-blocks"],
)
async def test_unpacked_it_is_what_it_was(blocks: tuple[bytes, ...]) -> None:
    assert gzip.decompress(await packed(*blocks)) == b"".join(blocks)


@pytest.mark.usefixtures("library")
async def test_one_member_that_says_nothing_of_time_or_name() -> None:
    content = await packed(TEXT, TEXT)
    assert content[:4] == b"\x1f\x8b\x08\x00"
    assert content[4:8] == bytes(4)
    unpacker = zlib.decompressobj(wbits=31)
    assert unpacker.decompress(content) == TEXT * 2
    assert unpacker.eof
    assert unpacker.unused_data == b""
    assert content == await packed(TEXT, TEXT)


async def test_it_is_a_third_of_the_text_or_less() -> None:
    assert len(await packed(TEXT)) < len(TEXT) / 3


@pytest.mark.usefixtures("library")
async def test_the_first_block_can_be_read_before_the_second_is_asked_for() -> None:
    source = Source(b"the first rows\r\n", TEXT)
    blocks = gzip_blocks(source())
    assert zlib.decompressobj(wbits=31).decompress(await anext(blocks)) == b"the first rows\r\n"
    assert source.given == 1
    await blocks.aclose()
    assert source.closed


async def test_a_failure_never_ends_the_member() -> None:
    blocks, received = gzip_blocks(Source(TEXT, TEXT, failing=True)()), b""
    with pytest.raises(LookupError):
        async for block in blocks:
            received += block
    unpacker = zlib.decompressobj(wbits=31)
    unpacker.decompress(received)
    assert received
    assert not unpacker.eof


async def test_gzip_itself_reads_it() -> None:
    require("gzip")
    program = shutil.which("gzip") or ""
    done = subprocess.run((program, "-dc"), input=await packed(TEXT, b"", TEXT), capture_output=True, check=True)
    assert done.stdout == TEXT * 2


@given(st.lists(st.binary(max_size=300), max_size=8))
@settings(max_examples=40, deadline=None)
async def test_any_blocks(blocks: list[bytes]) -> None:
    assert gzip.decompress(await packed(*blocks)) == b"".join(blocks)
