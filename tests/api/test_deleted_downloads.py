"""Downloads of an image that is deleted meanwhile."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest

from deployments import MIB, TIMEOUT_S, Deploy, Deployment
from proc_files import open_files
from stillage.operations import download


@asynccontextmanager
async def downloading(deployment: Deployment, image_id: str) -> AsyncIterator[asyncio.StreamReader]:
    """A download whose client has read the head of the answer, and reads on when it likes."""
    parts = urlsplit(deployment.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        head = f"GET /v2/images/{image_id}/file HTTP/1.1\r\nHost: here\r\nX-Auth-Token: lab\r\nConnection: close"
        writer.write(f"{head}\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        yield reader
    finally:
        writer.close()


async def all_that_comes(reader: asyncio.StreamReader) -> bytes:
    received = bytearray()
    with suppress(ConnectionError):
        while piece := await reader.read(MIB):
            received += piece
    return bytes(received)


@pytest.mark.parametrize("grace_s", [0.01, 3600])
async def test_a_download_may_outlive_its_image_for_a_while(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch, grace_s: float
) -> None:
    monkeypatch.setattr(download, "LOOK_EVERY_S", 0.001)
    data = os.urandom(MIB) * 32  # more than the kernel holds for a client that reads nothing
    async with deploy(deleted_download_s=grace_s) as deployment:
        image_id = await deployment.stored(data)
        async with downloading(deployment, image_id) as reader:
            async with deployment.session.delete(f"/v2/images/{image_id}", headers={"X-Auth-Token": "lab"}) as deleted:
                assert deleted.status == 204
            if grace_s < 1:
                async with asyncio.timeout(TIMEOUT_S):
                    while open_files(deployment.data_folder / "blobs", os.getpid()):  # noqa: ASYNC110 - the kernel has no event for it
                        await asyncio.sleep(0.005)
            received = await asyncio.wait_for(all_that_comes(reader), TIMEOUT_S)
        assert data.startswith(received)
        assert (len(received) == len(data)) == (grace_s > 1)
