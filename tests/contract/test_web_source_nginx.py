"""Reading from nginx: with and without ranges, slow, compressed, redirecting in circles, over TLS, and cut."""

import asyncio
import gzip
import hashlib
import random
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import pytest

from server import eventually, free_port
from stillage.cli.server import certificate
from stillage.errors import SourceForbidden, SourceRefused
from stillage.operations.imports.sources import WebFile
from stillage.outgoing.connecting import trusting
from stillage.outgoing.destinations import Destinations
from stillage.outgoing.transfer import Splitting
from stillage.outgoing.web import Reading, WebSource
from web_servers import AT_ONCE, TRUST, Request, answer_of, read, web_server, web_source

MIB = 1 << 20
DATA = random.Random(3).randbytes(8 * MIB)
SHA256 = hashlib.sha256(DATA).hexdigest()
SPLIT = Reading(AT_ONCE, Splitting(connections=4, piece=MIB, least=4 * MIB))
CONFIGURATION = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; user {user}; worker_processes 1;
events {{}}
http {{
    log_format ranges "$uri $status $http_range";
    access_log {folder}/access.log ranges;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    server {{
        listen 127.0.0.2:{port};
        listen 127.0.0.2:{tls_port} ssl;
        ssl_certificate {tls}/cert.pem; ssl_certificate_key {tls}/key.pem;
        root {folder}/files;
        location / {{ }}
        location /no-ranges/ {{ alias {folder}/files/; max_ranges 0; }}
        location /slow/ {{ alias {folder}/files/; limit_rate 40m; }}
        location /gzip/ {{ alias {folder}/files/; gzip on; gzip_types *; gzip_min_length 1; }}
        location /always/ {{ alias {folder}/files/; gzip_static always; }}
        location /loop {{ return 302 /loop?again; }}
        location /inside {{ return 301 http://169.254.169.254/latest/; }}
        location /plain {{ return 307 http://mirror.example:{port}/disk.img; }}
        location /broken/ {{ proxy_pass http://127.0.0.2:{upstream}/; proxy_buffering off; }}
    }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    folder: Path
    port: int
    tls_port: int
    upstream: int

    def url(self, path: str) -> str:
        return f"http://mirror.example:{self.port}{path}"

    def secure_url(self, path: str) -> str:
        return f"https://mirror.example:{self.tls_port}{path}"

    def asked(self, path: str) -> list[str]:
        """Return status and range of each request for *path* that has ended."""
        lines = (self.folder / "access.log").read_text().splitlines()
        return [line.partition(" ")[2] for line in lines if line.startswith(f"{path} ")]


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if program is None:
        pytest.fail("nginx is missing; run scripts/system-packages", pytrace=False)
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "files").mkdir()
    (folder / "files" / "disk.img").write_bytes(DATA)
    (folder / "files" / "disk.img.gz").write_bytes(gzip.compress(DATA, 1))
    certificate.ensure(folder / "tls", ["mirror.example"])
    made = Nginx(folder, free_port(), free_port(), free_port())
    text = CONFIGURATION.format(
        folder=folder,
        user=Path.home().owner(),
        tls=folder / "tls",
        port=made.port,
        tls_port=made.tls_port,
        upstream=made.upstream,
    )
    (folder / "nginx.conf").write_text(text)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-p", str(folder), "-c", "nginx.conf"], stderr=log)
    try:
        eventually(lambda: process.poll() is not None or (folder / "nginx.pid").exists(), "nginx listens")
        assert process.poll() is None, (folder / "log").read_text()
        yield made
    finally:
        process.terminate()
        process.wait()


@asynccontextmanager
async def source_of(nginx: Nginx, reading: Reading | None = None, *, trusted: bool = True) -> AsyncIterator[WebSource]:
    allowed = Destinations(networks=[ip_network("127.0.0.2/32")], ports=[nginx.port, nginx.tls_port])
    trust = trusting(nginx.folder / "tls" / "ca.pem") if trusted else TRUST
    async with web_source(destinations=allowed, trust=trust, reading=reading) as source:
        yield source


@pytest.mark.parametrize("path", ["/disk.img", "/no-ranges/disk.img", "/slow/disk.img", "/gzip/disk.img"])
async def test_a_file_is_read(nginx: Nginx, path: str) -> None:
    async with source_of(nginx) as source, source.open(WebFile(nginx.url(path), SHA256)) as opened:
        assert opened.length == len(DATA)
        assert b"".join([chunk async for chunk in opened.chunks]) == DATA


async def test_a_file_is_read_over_several_connections_if_there_are_ranges(nginx: Nginx) -> None:
    async with source_of(nginx, SPLIT) as source:
        for path in ("/disk.img?several", "/no-ranges/disk.img?several"):
            assert await read(source, nginx.url(path), sha256=SHA256) == DATA
    ranges = [f"206 bytes={start * MIB}-{(start + 1) * MIB - 1}" for start in range(1, 7)]
    eventually(lambda: set(ranges) <= set(nginx.asked("/disk.img")), "nginx has written its log")
    assert not any(asked.startswith("206") for asked in nginx.asked("/no-ranges/disk.img"))


async def test_what_is_compressed_though_nobody_asked_is_unpacked(nginx: Nginx) -> None:
    async with source_of(nginx) as source:
        assert await read(source, nginx.url("/always/disk.img"), sha256=SHA256) == DATA
        assert await read(source, nginx.url("/disk.img.gz")) == DATA


async def test_redirects_in_circles_and_to_the_inside_end(nginx: Nginx) -> None:
    async with source_of(nginx) as source:
        with pytest.raises(SourceRefused, match="redirects more than 5 times"):
            await read(source, nginx.url("/loop"))
        with pytest.raises(SourceForbidden, match="port 80 is not allowed"):
            await read(source, nginx.url("/inside"))


async def test_tls_needs_the_authority_of_the_settings(nginx: Nginx) -> None:
    async with source_of(nginx) as source:
        assert await read(source, nginx.secure_url("/disk.img"), sha256=SHA256) == DATA
        with pytest.raises(SourceForbidden, match="must not redirect to http"):
            await read(source, nginx.secure_url("/plain"))
    async with source_of(nginx, trusted=False) as source:
        with pytest.raises(SourceRefused, match="certificate"):
            await read(source, nginx.secure_url("/disk.img"))


async def test_what_breaks_behind_it_is_resumed(nginx: Nginx) -> None:
    """The first answers of the server behind nginx are cut, by a reset or by the end of the connection."""
    count = 0

    async def cut_twice(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        answer = answer_of(request, DATA)
        writer.write(answer if count > 2 else answer[: 3 * MIB])
        await writer.drain()
        if count == 1:
            writer.transport.abort()
        writer.close()

    async with web_server(cut_twice, port=nginx.upstream), source_of(nginx) as source:
        assert await read(source, nginx.url("/broken/disk.img"), sha256=SHA256) == DATA
    assert count == 3
