"""A network that breaks: relays connections to a server, and cuts them when as many bytes went as it was told."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Thread
from urllib.parse import urlsplit

from server import Server

PIECE = 16 << 10


class Cutter:
    """One end of a bad line. Bytes are relayed as they are, so TLS works through it.

    Attributes:
        cuts: How often it has cut.
    """

    def __init__(self, server: Server, *limits: int) -> None:
        """*limits*: how many bytes from the client each connection lets through until it is cut; later ones hold."""
        self._server = server
        self._limits = list(limits)
        self._lock = Lock()
        self.cuts = 0
        self.url = ""

    @contextmanager
    def running(self) -> Iterator["Cutter"]:
        listener = socket.create_server(("127.0.0.1", 0))
        scheme = urlsplit(self._server.url).scheme
        self.url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        accepting = Thread(target=self._accept, args=(listener,), daemon=True)
        accepting.start()
        try:
            yield self
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            accepting.join()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # closed: that is the end
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self._server.address)
                Thread(target=self._answers, args=(server, client), daemon=True).start()
                Thread(target=self._requests, args=(client, server), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        """Relay what the client says. A short connection that brings less than its limit leaves it to the next."""
        passed = 0
        with suppress(OSError):
            while piece := client.recv(PIECE):
                server.sendall(piece)
                passed += len(piece)
                if self._is_enough(passed):
                    break
        for end in (client, server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _is_enough(self, passed: int) -> bool:
        with self._lock:
            if not self._limits or passed < self._limits[0]:
                return False
            del self._limits[0]
            self.cuts += 1
            return True

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while piece := server.recv(PIECE):
                client.sendall(piece)
