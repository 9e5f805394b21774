"""Reading from web servers that behave: what is asked, followed, and understood."""

import asyncio
import hashlib
import ssl
from pathlib import Path

import pytest

from stillage.cli.server import certificate
from stillage.errors import BadSettings, InvalidInput, SourceForbidden, SourceRefused, SourceUnavailable, StillageError
from stillage.operations.imports.sources import WebFile
from stillage.outgoing.connecting import trusting
from stillage.outgoing.destinations import Destinations
from web_servers import Handler, Request, WebServer, files, head, hosts, read, web_server, web_source

DATA = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(DATA).hexdigest()


def answering(answer: bytes) -> Handler:
    async def handle(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return handle


async def failure_of(server: WebServer, path: str = "/disk.img", **expected: str) -> StillageError:
    async with web_source(server) as source:
        with pytest.raises(StillageError) as failure:
            await read(source, server.url(path), **expected)
    return failure.value


async def test_a_file_is_read_with_its_length_and_name() -> None:
    async with (
        web_server(files({"/a/disk%201.img?x=1": DATA})) as server,
        web_source(server) as source,
        source.open(WebFile(server.url("/a/disk%201.img?x=1#part"))) as opened,
    ):
        assert (opened.length, opened.name) == (len(DATA), "disk 1.img")
        assert b"".join([chunk async for chunk in opened.chunks]) == DATA
        assert opened.fraction() == 1.0


async def test_an_empty_file_is_read() -> None:
    async with web_server(files({"/disk.img": b""})) as server, web_source(server) as source:
        assert await read(source, server.url()) == b""


async def test_the_request_says_who_asks_and_nothing_else() -> None:
    async with web_server(files({"/disk.img": DATA})) as server, web_source(server) as source:
        await read(source, server.url())
    [request] = server.requests
    assert set(request.headers) == {"host", "user-agent", "accept", "accept-encoding", ""}
    assert request.headers["user-agent"].startswith("stillage/")
    assert request.headers["accept-encoding"] == "identity"


async def test_redirects_are_followed_without_cookies_and_credentials() -> None:
    async def handle(request: Request, writer: asyncio.StreamWriter) -> None:
        step = int(request.path.strip("/"))
        if step == 5:
            writer.write(head(Content_Length=len(DATA)) + DATA)
        else:
            location = str(step + 1) if step % 2 else server.url(f"/{step + 1}", f"m{step}.example")
            writer.write(head("302 Found", Location=location, Set_Cookie="a=b; Path=/", Content_Length=0))

    async with web_server(handle) as server, web_source(server) as source:
        assert await read(source, server.url("/0")) == DATA
    assert [request.path for request in server.requests] == ["/0", "/1", "/2", "/3", "/4", "/5"]
    for request in server.requests:
        assert not {"cookie", "referer", "authorization"} & set(request.headers)


async def test_a_redirect_loop_ends() -> None:
    async with web_server(answering(head("302 Found", Location="/disk.img", Content_Length=0))) as server:
        failure = await failure_of(server)
    assert isinstance(failure, SourceRefused)
    assert "redirects more than 5 times" in str(failure)
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("404 Nix", "404 Not Found"),
        ("401 Unauthorized", "401"),
        ("206 Partial Content", "206"),
        ("204 No Content", "204"),
        ("304 Not Modified", "304"),
        ("300 Multiple Choices", "300"),
        ("302 Found", "redirects to nowhere"),
        ("999 What", "999"),
    ],
)
async def test_what_is_no_file_is_refused(status: str, told: str) -> None:
    async with web_server(answering(head(status, Content_Length=0))) as server:
        failure = await failure_of(server)
    assert isinstance(failure, SourceRefused)
    assert told in str(failure)


@pytest.mark.parametrize("status", ["429 Slow", "500 Oh", "502 Bad Gateway", "503 Busy", "408 Late"])
async def test_trouble_that_may_pass_can_be_tried_again(status: str) -> None:
    async with web_server(answering(head(status, Content_Length=0, Retry_After=7))) as server:
        failure = await failure_of(server)
    assert isinstance(failure, SourceUnavailable)
    assert failure.retry_after_s == 7


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
    ],
)
async def test_an_answer_that_is_no_http_is_refused(answer: bytes) -> None:
    async with web_server(answering(answer)) as server:
        assert isinstance(await failure_of(server), SourceRefused)


async def test_a_source_that_does_not_listen_is_unavailable() -> None:
    async with web_server(answering(b"")) as server:
        pass
    assert isinstance(await failure_of(server), SourceUnavailable)


async def test_errors_do_not_show_the_query() -> None:
    async with web_server(answering(head("403 Forbidden", Content_Length=0))) as server:
        failure = await failure_of(server, "/disk.img?signature=secret")
    assert "/disk.img" in str(failure)
    assert "secret" not in str(failure)


async def test_what_is_wrong_with_a_url_shows_before_anything_is_asked() -> None:
    async with web_server(answering(b"")) as server, web_source(server) as source:
        source.check(WebFile(server.url(), SHA256.upper(), server.url("/SHA256SUMS")))
        for file in (WebFile("file:///x"), WebFile(server.url(), sums_url="file:///x")):
            with pytest.raises(SourceForbidden):
                source.check(file)
        with pytest.raises(InvalidInput, match="64 hexadecimal"):
            source.check(WebFile(server.url(), "abc"))
    assert server.connections == 0


async def test_a_proxy_gets_all_requests_and_resolves_the_names() -> None:
    async with web_server(files({"http://mirror.example/disk.img": DATA})) as proxy:
        denying, through = Destinations(denied_hosts=["evil.example"]), f"http://127.0.0.2:{proxy.port}"
        async with web_source(destinations=denying, proxy=through, lookup=hosts(mirror_example=[])) as source:
            assert await read(source, "http://mirror.example/disk.img") == DATA
            for url in ("http://127.0.0.1/", "http://evil.example/", "http://mirror.example:22/"):
                with pytest.raises(SourceForbidden):
                    await read(source, url)
    assert len(proxy.requests) == 1


async def test_a_proxy_that_refuses_is_named() -> None:
    async with (
        web_server(answering(head("403 Forbidden", Content_Length=0))) as proxy,
        web_source(destinations=Destinations(), proxy=f"http://127.0.0.2:{proxy.port}") as source,
    ):
        with pytest.raises(SourceUnavailable, match="the proxy answered 403"):
            await read(source, "https://mirror.example/disk.img")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> certificate.Certificate:
    return certificate.ensure(tmp_path_factory.mktemp("tls"), ["mirror.example"])


def context(made: certificate.Certificate) -> ssl.SSLContext:
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(made.chain, made.key)
    return serving


async def test_tls_is_verified_for_the_name(made: certificate.Certificate) -> None:
    async with web_server(files({"/disk.img": DATA}), ssl=context(made)) as server:
        url = server.url().replace("http:", "https:")
        async with web_source(server, trust=trusting(made.authority)) as source:
            assert await read(source, url) == DATA
            with pytest.raises(SourceRefused, match="certificate"):
                await read(source, url.replace("mirror", "other"))
        async with web_source(server) as source:
            with pytest.raises(SourceRefused, match="certificate"):
                await read(source, url)


async def test_https_does_not_redirect_to_http(made: certificate.Certificate) -> None:
    async with web_server(files({"/disk.img": DATA})) as plain:
        redirect = answering(head("302 Found", Location=plain.url(), Content_Length=0))
        async with (
            web_server(redirect, ssl=context(made)) as server,
            web_source(plain, server, trust=trusting(made.authority)) as source,
        ):
            with pytest.raises(SourceForbidden, match="https must not redirect to http"):
                await read(source, server.url().replace("http:", "https:"))
    assert plain.connections == 0


def test_an_authority_that_is_no_certificate_is_a_bad_setting(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(BadSettings, match=r"ca\.pem"):
        trusting(tmp_path / "ca.pem")


async def test_a_right_digest_is_taken_and_a_wrong_one_is_not() -> None:
    async with web_server(files({"/disk.img": DATA})) as server, web_source(server) as source:
        assert await read(source, server.url(), sha256=SHA256.upper()) == DATA
        with pytest.raises(StillageError, match=f"its SHA-256 is {SHA256}, and 000") as failure:
            await read(source, server.url(), sha256="0" * 64)
    assert failure.value.code == "source_digest_mismatch"


async def test_leaving_early_closes_the_connection() -> None:
    left = asyncio.Event()

    async def endless(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(Content_Length=1 << 40))
        try:
            while True:
                writer.write(DATA)
                await writer.drain()
        except ConnectionError:
            left.set()

    async with web_server(endless) as server, web_source(server) as source:
        async with source.open(WebFile(server.url(), SHA256)) as opened:
            assert opened.length == 1 << 40
            async for _ in opened.chunks:
                break
        await left.wait()


async def test_a_silent_source_is_unavailable() -> None:
    async def say_nothing(_request: Request, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with web_server(say_nothing) as server, web_source(server, timeout_s=1) as source:
        with pytest.raises(SourceUnavailable, match=r"silent for 1 second"):
            await read(source, server.url())


async def test_a_name_server_that_does_not_answer_is_not_waited_for() -> None:
    async def hang(_host: str, _port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    async with web_source(destinations=Destinations(), timeout_s=0.1, lookup=hang) as source:
        with pytest.raises(SourceUnavailable, match="silent"):
            await read(source, "http://mirror.example/disk.img")
