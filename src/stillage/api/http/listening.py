"""Listen on sockets, with time limits for TLS and for clients that do not read."""

import socket
import ssl
from collections.abc import Sequence

from aiohttp import web

from stillage.api.http.accepting import Acceptor
from stillage.api.http.answer import LINGER_S
from stillage.api.http.connection import Runner
from stillage.api.http.descriptors import Descriptors

# Connections that may wait to be accepted.
BACKLOG = 1024


class _Site(web.SockSite):
    """aiohttp's site with our `Acceptor`: time limits for TLS, and connections only while descriptors are free."""

    def __init__(
        self, runner: Runner, sock: socket.socket, tls: ssl.SSLContext | None, descriptors: Descriptors
    ) -> None:
        super().__init__(runner, sock, ssl_context=tls)
        assert runner.server is not None  # noqa: S101 - set by the runner's setup
        self._acceptor = Acceptor(
            sock, runner.server, descriptors, tls=tls, handshake_s=runner.header_timeout_s, goodbye_s=LINGER_S
        )

    async def start(self) -> None:
        await web.BaseSite.start(self)
        self._acceptor.start(BACKLOG)

    async def stop(self) -> None:
        self._acceptor.close()
        await super().stop()


async def listen(
    runner: Runner, sockets: Sequence[socket.socket], tls: ssl.SSLContext | None, descriptors: Descriptors | None = None
) -> None:
    """Accept connections on *sockets*, which are already bound.

    *descriptors*: those of the process; created here if None.
    """
    descriptors = descriptors or Descriptors()
    for sock in sockets:
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; connections inherit it from the listening socket
            unread_ms = round(min(max(1, runner.idle_timeout_s * 1000), 2**31 - 1))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unread_ms)
        await _Site(runner, sock, tls, descriptors).start()
