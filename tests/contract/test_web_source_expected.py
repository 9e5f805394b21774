"""Digests from ``SHA256SUMS`` files, signed ones if there is a key ring; and files that are compressed on the way."""

import asyncio
import bz2
import gzip
import hashlib
import lzma
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stillage.errors import BadSettings, SourceDigestMismatch, SourceNotUnpacked, SourceRefused, StillageError
from stillage.operations.imports.sources import WebFile
from stillage.outgoing.keyring import KeyRing
from web_servers import Request, files, head, read, web_server, web_source

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DATA = bytes(range(256)) * 4096
SIGNED = Path(__file__).parent.parent / "data" / "signed_sums"
KEYS = SIGNED / "keys.gpg"
SUMS = (SIGNED / "SHA256SUMS").read_bytes()
IMAGES = {"/disk.img": DATA, "/wrong.img": DATA, "/other.img": DATA}
Pack = Callable[[bytes], bytes]
PACKED: dict[str, Pack] = {"gz": gzip.compress, "xz": lzma.compress, "zst": zstd.compress, "bz2": bz2.compress}


def signed(name: str) -> bytes:
    return (SIGNED / name).read_bytes()


async def test_the_digest_comes_from_a_file_of_sums() -> None:
    async with web_server(files({**IMAGES, "/SUMS": SUMS})) as server, web_source(server) as source:
        sums = server.url("/SUMS")
        assert await read(source, server.url(), sums_url=sums) == DATA
        with pytest.raises(SourceDigestMismatch, match="is expected"):
            await read(source, server.url("/wrong.img"), sums_url=sums)
        with pytest.raises(SourceDigestMismatch, match=r"no SHA-256 of 'other\.img'"):
            await read(source, server.url("/other.img"), sums_url=sums)
        with pytest.raises(SourceRefused, match="404"):
            await read(source, server.url(), sums_url=server.url("/nothing"))


async def test_both_digests_must_fit() -> None:
    async with web_server(files({**IMAGES, "/SUMS": SUMS})) as server, web_source(server) as source:
        right = hashlib.sha256(DATA).hexdigest()
        assert await read(source, server.url(), sums_url=server.url("/SUMS"), sha256=right) == DATA
        with pytest.raises(SourceDigestMismatch):
            await read(source, server.url(), sums_url=server.url("/SUMS"), sha256="1" * 64)


async def test_a_file_of_sums_that_never_ends_is_refused() -> None:
    async def endless(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(Transfer_Encoding="chunked"))
        while True:
            writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            await writer.drain()

    async with web_server(endless) as server, web_source(server) as source:
        with pytest.raises(SourceRefused, match="more than 1048576 bytes"):
            await read(source, server.url(), sums_url=server.url("/SUMS"))


@pytest.mark.parametrize(
    "served",
    [
        {"/SUMS": SUMS, "/SUMS.gpg": signed("SHA256SUMS.gpg")},
        {"/SUMS": SUMS, "/SUMS.sign": signed("SHA256SUMS.gpg")},
        {"/SUMS": signed("SHA256SUMS.asc")},
    ],
)
async def test_a_signature_of_a_key_of_the_ring_is_good(served: dict[str, bytes]) -> None:
    async with web_server(files(IMAGES | served)) as server, web_source(server, keys=KEYS) as source:
        assert await read(source, server.url(), sums_url=server.url("/SUMS")) == DATA


CLEAR = signed("SHA256SUMS.asc")
FORGED = b"0" * 64 + b" *disk.img\n"


@pytest.mark.parametrize(
    "served",
    [
        {"/SUMS": SUMS},
        {"/SUMS": SUMS, "/SUMS.gpg": signed("else.gpg")},
        {"/SUMS": SUMS + FORGED, "/SUMS.gpg": signed("SHA256SUMS.gpg")},
        {"/SUMS": SUMS, "/SUMS.gpg": b"no signature"},
        {"/SUMS": SUMS, "/SUMS.gpg": b""},
        {"/SUMS": CLEAR.replace(b"disk.img", b"disc.img")},
        {"/SUMS": SUMS + CLEAR},
    ],
)
async def test_any_other_is_not(served: dict[str, bytes]) -> None:
    async with web_server(files(IMAGES | served)) as server, web_source(server, keys=KEYS) as source:
        with pytest.raises(SourceDigestMismatch):
            await read(source, server.url(), sums_url=server.url("/SUMS"))


async def test_only_what_is_inside_a_signature_counts() -> None:
    served = {"/SUMS": CLEAR + b"0" * 64 + b" *other.img\n"}
    async with web_server(files(IMAGES | served)) as server, web_source(server, keys=KEYS) as source:
        with pytest.raises(SourceDigestMismatch):
            await read(source, server.url("/other.img"), sums_url=server.url("/SUMS"))


def test_a_key_ring_that_is_not_there_is_a_bad_setting(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="does not exist"):
        KeyRing(tmp_path / "keys.gpg")


@pytest.mark.parametrize("suffix", PACKED)
async def test_a_compressed_file_is_unpacked_and_its_digest_is_that_of_the_file(suffix: str) -> None:
    packed = PACKED[suffix](DATA)
    async with web_server(files({"/any-name": packed})) as server, web_source(server) as source:
        async with source.open(WebFile(server.url("/any-name"), hashlib.sha256(packed).hexdigest())) as opened:
            assert opened.length is None
            assert b"".join([chunk async for chunk in opened.chunks]) == DATA
            assert opened.fraction() == 1.0
        with pytest.raises(SourceDigestMismatch):
            await read(source, server.url("/any-name"), sha256=hashlib.sha256(DATA).hexdigest())


@pytest.mark.parametrize("suffix", PACKED)
async def test_a_compressed_file_that_is_cut_or_has_a_tail_is_refused(suffix: str) -> None:
    packed = PACKED[suffix](DATA)
    served = {"/cut": packed[:-5], "/tail": packed + b"tail"}
    async with web_server(files(served)) as server, web_source(server) as source:
        for path in served:
            with pytest.raises(SourceNotUnpacked, match=path):
                await read(source, server.url(path))


async def unpacked(served: dict[str, bytes], path: str, sha256: str | None = None, **headers: object) -> bytes:
    async with web_server(files(served, **headers)) as server, web_source(server) as source:
        return await read(source, server.url(path), sha256=sha256)


@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("zstd", zstd.compress)]
)
async def test_a_coding_of_the_answer_is_undone_before_the_digest(coding: str, pack: Pack) -> None:
    packed = pack(DATA)
    digest = hashlib.sha256(DATA).hexdigest()
    assert await unpacked({"/disk.img": packed}, "/disk.img", digest, Content_Encoding=coding) == DATA


async def test_what_is_compressed_under_a_coding_is_unpacked_as_well() -> None:
    packed = lzma.compress(DATA)
    digest = hashlib.sha256(packed).hexdigest()
    served = {"/disk.xz": gzip.compress(packed)}
    assert await unpacked(served, "/disk.xz", digest, Content_Encoding="gzip") == DATA


async def test_a_gzip_file_that_is_called_encoded_is_that_file() -> None:
    packed = gzip.compress(DATA)
    digest = hashlib.sha256(packed).hexdigest()
    assert await unpacked({"/disk.img.gz": packed}, "/disk.img.gz", digest, Content_Encoding="x-gzip") == DATA


@pytest.mark.parametrize("coding", ["br", "deflate", "compress", "gzip, gzip", "x" * 1000])
async def test_any_other_coding_is_refused(coding: str) -> None:
    with pytest.raises(SourceRefused, match="Content-Encoding"):
        await unpacked({"/disk.img": DATA}, "/disk.img", Content_Encoding=coding)


async def test_a_coding_that_is_not_there_is_refused() -> None:
    with pytest.raises(StillageError, match="damaged"):
        await unpacked({"/disk.img": DATA}, "/disk.img", Content_Encoding="gzip")
