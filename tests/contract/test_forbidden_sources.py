"""No import connects to an address that is not allowed, however the URL is written, resolved or redirected to.

`Trap` listens on the port that is asked for, on all addresses of the machine, and counts who connects. Nobody does.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_network

import pytest
from aiohttp import ClientConnectorError

from stillage.errors import SourceForbidden, SourceUnavailable, StillageError
from stillage.operations.imports.sources import WebFile
from stillage.outgoing.connecting import session
from stillage.outgoing.destinations import Destinations
from web_servers import TRUST, Request, WebServer, answer_of, head, hosts, read, web_server, web_source

HERE = "127.0.0.2"
"""The one address that is allowed."""
DATA = b"d" * 100_000


@pytest.fixture
async def trap() -> AsyncIterator[WebServer]:
    """Listen on all addresses but `HERE`, on one port."""
    trap = WebServer(_tell_secrets)
    four = socket.create_server(("0.0.0.0", 0))
    trap.port = four.getsockname()[1]
    sockets = [four, socket.create_server(("::", trap.port), family=socket.AF_INET6, dualstack_ipv6=False)]
    servers = [await asyncio.start_server(trap.serve, sock=sock) for sock in sockets]
    yield trap
    for server in servers:
        server.close()


async def _tell_secrets(_request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(head(Content_Length=6) + b"secret")


FORMS = [
    "127.0.0.1",
    "127.0.0.3",
    "127.255.255.254",
    "127.1",
    "127.0.1",
    "0177.0.0.1",
    "0177.1",
    "00000177.0.0.1",
    "0x7f.0.0.1",
    "0x7f.1",
    "0x7f000001",
    "0X7F000001",
    "2130706433",
    "017700000001",
    "0",
    "0.0.0.0",
    "0.0.0.1",
    "127.0.0.1.",
    "\uff11\uff12\uff17.0.0.1",
    "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
    "127\u30020\u30020\u30021",
    "%31%32%37.0.0.1",
    "127.0.0.1%00.example.net",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::0001]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::FFFF:0:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[::1%25lo]",
    "[fe80::1%25lo]",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "[::ffff:169.254.169.254]",
    "100.100.100.200",
    "168.63.129.16",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
]
PARTS = [
    "user@127.0.0.1:{port}/",
    "mirror.example@127.0.0.1:{port}/",
    "mirror.example:80@127.0.0.1:{port}/",
    "127.0.0.1:{port}\\@mirror.example/",
    "mirror.example\\@127.0.0.1:{port}/",
    "127.0.0.1:{port}#@mirror.example/",
    "127.0.0.1:{port}?@mirror.example/",
    "@127.0.0.1:{port}/",
    "127.0.0.1:{port}:{port}/",
    "127.0.0.1:0{port}/",
    " 127.0.0.1:{port}/",
    "127.0.0.1\t:{port}/",
    "[::1]:{port}@mirror.example/",
]
ANSWERS: list[Sequence[str]] = [
    ["127.0.0.1"],
    ["::1"],
    ["0.0.0.0"],
    ["::"],
    ["::ffff:127.0.0.1"],
    ["64:ff9b::7f00:1"],
    ["10.0.0.1"],
    ["169.254.169.254"],
    ["fe80::1%lo"],
    [HERE, "127.0.0.1"],
    ["127.0.0.1", HERE],
    ["::1", HERE],
    [HERE, "10.0.0.1", "::1"],
]


async def refused(trap: WebServer, url: str, *more: WebServer, **options: object) -> StillageError:
    """Try to import from *url* where the port is no obstacle, and return why that fails."""
    ports = frozenset({trap.port, *(server.port for server in more)})
    allowed = Destinations(networks=[ip_network(f"{HERE}/32")], ports=ports)
    async with web_source(destinations=allowed, **options) as source:  # type: ignore[arg-type]
        with pytest.raises(StillageError) as failure:
            await read(source, url)
    assert trap.connections == 0
    return failure.value


@pytest.mark.parametrize("host", FORMS)
async def test_no_form_of_an_address_leads_there(trap: WebServer, host: str) -> None:
    failure = await refused(trap, f"http://{host}:{trap.port}/", lookup=None)
    assert isinstance(failure, SourceForbidden)


@pytest.mark.parametrize("rest", PARTS)
async def test_no_url_that_parsers_read_differently_leads_there(trap: WebServer, rest: str) -> None:
    failure = await refused(trap, f"http://{rest.format(port=trap.port)}")
    assert isinstance(failure, SourceForbidden)


@pytest.mark.parametrize("scheme", ["file", "ftp", "gopher", "dict", "ldap", "unix", "data", "javascript", ""])
async def test_no_other_scheme_is_asked(trap: WebServer, scheme: str) -> None:
    assert isinstance(await refused(trap, f"{scheme}://127.0.0.1:{trap.port}/"), SourceForbidden)


@pytest.mark.parametrize("answers", ANSWERS, ids=str)
async def test_no_name_leads_there(trap: WebServer, answers: Sequence[str]) -> None:
    failure = await refused(trap, f"http://evil.example:{trap.port}/", lookup=hosts(evil_example=answers))
    assert isinstance(failure, SourceForbidden)
    assert "127.0.0" not in str(failure)


@pytest.mark.parametrize(
    ("status", "target"),
    [
        ("301 Moved Permanently", "http://127.0.0.1:{port}/"),
        ("302 Found", "//127.0.0.1:{port}/"),
        ("303 See Other", "http://evil.example:{port}/"),
        ("307 Temporary Redirect", "http://[::1]:{port}/"),
        ("308 Permanent Redirect", "http://2130706433:{port}/"),
        ("302 Found", "http://0x7f.1:{port}/"),
        ("302 Found", "http://localhost:{port}/"),
        ("302 Found", "\\\\127.0.0.1:{port}/"),
        ("302 Found", "http:\\\\127.0.0.1:{port}/"),
    ],
)
async def test_no_redirect_leads_there(trap: WebServer, status: str, target: str) -> None:
    location = target.format(port=trap.port)

    async def redirect(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(status, Location=location, Content_Length=0))

    async with web_server(redirect) as server:
        failure = await refused(trap, server.url(), server, lookup=hosts(evil_example="127.0.0.1", localhost="::1"))
    assert isinstance(failure, SourceForbidden)
    assert len(server.requests) == 1


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/", "http://a@127.0.0.1/", "http://[::1/"])
async def test_a_redirect_to_no_url_is_refused(trap: WebServer, target: str) -> None:
    async def redirect(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head("302 Found", Location=target, Content_Length=0))

    async with web_server(redirect) as server:
        assert isinstance(await refused(trap, server.url(), server), SourceForbidden)


async def test_a_name_that_changes_between_lookups_leads_nowhere(trap: WebServer) -> None:
    """The first connection is allowed and breaks; to resume, the name is resolved again, and is somewhere else now."""
    answers = iter([[HERE], ["127.0.0.1"]])

    async def look_up(_host: str, _port: int) -> Sequence[str]:
        return next(answers)

    async def break_off(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer_of(request, DATA)[:-1000])
        writer.close()

    async with web_server(break_off) as server:
        failure = await refused(trap, server.url(), server, lookup=look_up)
    assert isinstance(failure, SourceForbidden)


async def test_what_is_checked_is_what_is_connected_to(trap: WebServer) -> None:
    """One lookup for one connection: there is no second one that could be answered differently."""
    lookups = 0

    async def look_up(_host: str, _port: int) -> Sequence[str]:
        nonlocal lookups
        lookups += 1
        return [HERE] if lookups == 1 else ["127.0.0.1"]

    async def serve(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer_of(request, DATA))

    async with web_server(serve) as server, web_source(server, lookup=look_up) as source:
        assert await read(source, server.url()) == DATA
    assert lookups == 1
    assert trap.connections == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]"])
async def test_no_socket_is_made_for_an_address_that_was_not_checked_before(trap: WebServer, address: str) -> None:
    """aiohttp does not resolve what is an address already, so that the last check is at the socket."""
    made = session(Destinations(), hosts(), timeout_s=30.0, trust=TRUST, through_proxy=False)
    async with made as unchecked:
        with pytest.raises(ClientConnectorError) as failure:
            await unchecked.get(f"http://{address}:{trap.port}/")
    assert isinstance(failure.value.os_error, PermissionError)
    assert trap.connections == 0


async def test_sums_lead_there_neither(trap: WebServer) -> None:
    async with web_server(_tell_secrets) as server, web_source(server, lookup=hosts(evil_example="::1")) as source:
        for sums in (f"http://127.0.0.1:{server.port}/S", f"http://evil.example:{server.port}/S"):
            with pytest.raises(SourceForbidden):
                await read(source, server.url(), sums_url=sums)
    assert server.requests == []


@pytest.mark.parametrize("port", [1, 22, 25, 6379, 8080, 9292, 65535])
async def test_other_ports_are_not_asked(port: int) -> None:
    async with web_source(destinations=Destinations()) as source:
        with pytest.raises(SourceForbidden, match=f"port {port}"):
            source.check(WebFile(f"http://mirror.example:{port}/"))


async def test_the_trap_catches(trap: WebServer) -> None:
    """Without the checks the same requests arrive, so that the count above means something."""
    everything = Destinations(networks=[ip_network("0.0.0.0/0"), ip_network("::/0")], ports=[trap.port])
    async with web_source(destinations=everything, lookup=hosts(evil_example="127.0.0.3")) as source:
        for host in ("127.0.0.1", "evil.example", "[::1]"):
            assert await read(source, f"http://{host}:{trap.port}/") == b"secret"
    assert trap.connections == 3


async def test_nobody_learns_what_listens_there(trap: WebServer) -> None:
    """A closed port and an open one are told apart by nobody."""
    texts = set()
    for port in (trap.port, 1):
        allowed = Destinations(ports=[port])
        async with web_source(destinations=allowed, lookup=hosts(evil_example="127.0.0.1")) as source:
            with pytest.raises(SourceForbidden) as failure:
                await read(source, f"http://evil.example:{port}/")
        texts.add(str(failure.value))
    assert len(texts) == 1
    assert trap.connections == 0


async def test_a_name_without_an_address_is_unavailable(trap: WebServer) -> None:
    failure = await refused(trap, f"http://nowhere.example:{trap.port}/", lookup=hosts(nowhere_example=[]))
    assert isinstance(failure, SourceUnavailable)
    assert "no address" in str(failure)
