"""Accept connections only while file descriptors are free.

uvloop accepts a connection that it has no descriptor for, and silently closes it at once. Here such a connection waits
in the kernel's queue until a descriptor is free.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

import structlog

from stillage.api.http import plain_http
from stillage.api.http.descriptors import Descriptors

log = structlog.get_logger()

# How often to check for free descriptors.
LOOK_S = 0.5
# Connections accepted before the event loop gets its turn.
AT_ONCE = 64


class Acceptor:
    """Accepts connections on one bound socket until closed."""

    def __init__(
        self,
        sock: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        descriptors: Descriptors,
        *,
        tls: ssl.SSLContext | None,
        handshake_s: float,
        goodbye_s: float,
    ) -> None:
        """Prepare to accept; `start` listens.

        Args:
            sock: Closed together with the acceptor.
            make_protocol: Returns the protocol that serves one connection.
            descriptors: Those of the process.
            tls: None for plain connections.
            handshake_s: Time limit of the TLS handshake.
            goodbye_s: Time limit of the TLS shutdown.
        """
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._make_protocol = make_protocol
        self._descriptors = descriptors
        self._tls = tls
        self._handshake_s = handshake_s if tls else None
        self._goodbye_s = goodbye_s if tls else None
        self._accepts = False
        self._looking: asyncio.TimerHandle | None = None
        self._beginning: set[asyncio.Task[None]] = set()

    def start(self, backlog: int) -> None:
        """Listen. *backlog*: how many connections may wait."""
        self._sock.setblocking(False)
        self._sock.listen(backlog)
        self._look()

    def close(self) -> None:
        """Stop accepting. Accepted connections continue."""
        if self._looking is not None:
            self._looking.cancel()
        self._set_accepting(False)
        self._sock.close()

    def _look(self) -> None:
        self._set_accepting(not self._descriptors.are_short())
        self._looking = self._loop.call_later(LOOK_S, self._look)

    def _set_accepting(self, accepts: bool) -> None:
        if accepts and not self._accepts:
            self._loop.add_reader(self._sock, self._accept)
        elif self._accepts and not accepts:
            self._loop.remove_reader(self._sock)
        self._accepts = accepts

    def _accept(self) -> None:
        try:
            for _ in range(AT_ONCE):
                connection, _ = self._sock.accept()
                beginning = self._loop.create_task(self._begin(connection))
                self._beginning.add(beginning)
                beginning.add_done_callback(self._beginning.discard)
                if self._descriptors.is_reserved(connection.fileno()):
                    self._wait("the reserve begins")
                    break
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            pass  # another process that shares the socket was faster, or the waiting client disconnected
        except OSError as error:  # no descriptors or no memory
            self._wait(error.strerror)

    def _wait(self, why: str | None) -> None:
        """Leave new connections in the kernel's queue until the next check."""
        log.debug("accepting connections is paused", why=why)
        self._descriptors.report()
        self._set_accepting(False)

    async def _begin(self, connection: socket.socket) -> None:
        # Errors here are the client's: it disconnected, or does not speak TLS.
        with suppress(OSError, ssl.SSLError):  # TimeoutError is one
            if self._tls is not None and await plain_http.refuses(connection, self._handshake_s, self._goodbye_s):
                return
            await self._loop.connect_accepted_socket(
                self._make_protocol,
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=self._handshake_s,
                ssl_shutdown_timeout=self._goodbye_s,
            )
