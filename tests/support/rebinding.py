"""A name that leads elsewhere the next time: an import from it, with a trap at the address that is forbidden.

As a program it has the machine's own resolver ask the DNS server. For that it needs a network and mounts of its own,
which `rebinding_apart` gives it.
"""

import asyncio
import json
import socket
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from dns_server import A, dns_server
from stillage.errors import StillageError
from stillage.outgoing.connecting import Lookup
from stillage.outgoing.destinations import Destinations
from web_servers import Request, WebServer, answer_of, head, read, web_source

HERE, FORBIDDEN = "127.0.0.2", "127.0.0.1"
NAME = "rebinding.example"
REBINDS = {NAME: [[HERE], [FORBIDDEN]]}
DATA = b"d" * 100_000
APART = ("unshare", "--mount", "--net", "--map-root-user")
OWN_NETWORK = """
PATH=$PATH:/usr/sbin
ip link set lo up && ip address add 198.18.0.1/32 dev lo && mount --bind "$1" /etc/resolv.conf && exec "$2" "$3"
"""
RESOLVER = f"nameserver {FORBIDDEN}\noptions timeout:30 attempts:1\n"


async def rebind(lookup: Lookup | None) -> dict[str, Any]:
    """Import from `NAME`, whose server breaks off; return why that fails, and who was connected to."""

    async def break_off(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer_of(request, DATA)[:-1000])
        writer.close()

    async def tell_secrets(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(Content_Length=6) + b"secret")

    server, trap = WebServer(break_off), WebServer(tell_secrets)
    ours, theirs = _on_one_port()
    server.port = trap.port = ours.getsockname()[1]
    allowed = Destinations(networks=[ip_network(f"{HERE}/32")], ports=[server.port])
    async with (
        await asyncio.start_server(server.serve, sock=ours),
        await asyncio.start_server(trap.serve, sock=theirs),
        web_source(destinations=allowed, lookup=lookup) as source,
    ):
        try:
            await read(source, server.url(host=NAME))
            code = None
        except StillageError as error:
            code = error.code
    return {"code": code, "allowed": server.connections, "forbidden": trap.connections}


def _on_one_port() -> tuple[socket.socket, socket.socket]:
    while True:
        ours = socket.create_server((HERE, 0))
        try:
            return ours, socket.create_server((FORBIDDEN, ours.getsockname()[1]))
        except OSError:  # somebody else listens there
            ours.close()


def rebinding_apart(folder: Path) -> dict[str, Any]:
    """Run this as a program, in networks and mounts of its own, and return what it says. *folder*: for its settings."""
    (folder / "resolv.conf").write_text(RESOLVER)
    line = [*APART, "sh", "-c", OWN_NETWORK, "sh", str(folder / "resolv.conf"), sys.executable, __file__]
    ran = subprocess.run(line, check=True, capture_output=True, text=True, timeout=120)
    said: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return said


if __name__ == "__main__":
    with dns_server(REBINDS, address=FORBIDDEN, port=53) as names:
        result = asyncio.run(rebind(None))
    sys.stdout.write(json.dumps(result | {"lookups": names.asked[NAME, A]}))
