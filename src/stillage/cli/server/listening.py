"""Binds the sockets that a server listens on."""

import socket

from stillage.config import address_of
from stillage.errors import BadSettings


def bind(listen: str, count: int, *, setting: str = "--listen") -> list[socket.socket]:
    """Return *count* bound sockets for ``HOST:PORT``. The kernel spreads connections over them.

    *setting*: where the address comes from, for the message.

    Raises:
        BadSettings: If the address cannot be bound, for instance because it is in use.
    """
    host, port = address_of(listen)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        first = bound(family, address, shared=False)  # not shared, to detect another server
        if count == 1:
            return [first]
        address = first.getsockname()
        first.close()
        return [bound(family, address, shared=True) for _ in range(count)]
    except OSError as error:
        raise BadSettings(f"cannot listen on {listen}: {error.strerror}; choose another {setting}") from error


def bound_again(old: socket.socket) -> socket.socket:
    """Return another socket bound to the shared address of *old*, and close *old*.

    Nobody connects to it before somebody listens on it. Who had connected to *old* and was not accepted is told so by a
    reset, and need not wait.
    """
    made = bound(old.family, old.getsockname(), shared=True)
    old.close()
    return made


def bound(family: int, address: object, *, shared: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        made.bind(address)  # type: ignore[arg-type]
    except OSError:
        made.close()
        raise
    return made
