"""Where the bytes of an import come from: the interface to web servers and to other image services.

`outgoing` has what implements it. An import verifies what a source yields as it verifies an upload.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar


@dataclass(frozen=True, slots=True)
class WebFile:
    """A file on a web server (``web-download``).

    Attributes:
        url: As the user gave it.
        sha256: Of the file as the server sends it, in hex; None if nobody said.
        sums_url: Of a ``SHA256SUMS`` file that lists it; None if there is none.
    """

    url: str
    sha256: str | None = None
    sums_url: str | None = None


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """An image of another image service (``glance-download``).

    Attributes:
        region: Which service, as the operator named it.
        image_id: Its id there.
        interface: Of the service's endpoint: ``public``, ``internal`` or ``admin``.
        token: Of the user, which that service takes as well.
    """

    region: str
    image_id: str
    interface: str = "public"
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Described:
    """What another image service says of an image.

    Attributes:
        properties: All that its user can see, beside the attributes that every image has. The import takes some.
    """

    disk_format: str | None = None
    container_format: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opened:
    """A source that answers. Its bytes can be read once.

    Attributes:
        length: How many bytes *chunks* yields; None if only their end tells, as of a compressed file.
        name: What the source calls the file, for the log.
        chunks: The bytes of the image, unpacked, in pieces of any size. It goes on by itself after a lost connection,
            and raises unless the bytes have the length and the digests that the source, or the user, promised.
        fraction: Returns how much of the source was read, from 0 to 1; None if it does not say how much there is.
        described: The record of the image, where there is one.
    """

    length: int | None
    name: str
    chunks: AsyncIterator[bytes]
    fraction: Callable[[], float | None] = lambda: None
    described: Described | None = None


Address_contra = TypeVar("Address_contra", WebFile, RemoteImage, contravariant=True)


class Source(Protocol[Address_contra]):
    """Where bytes are read from. Every error is a `StillageError`, whose text is what the owner of the image reads."""

    def check(self, address: Address_contra) -> None:
        """Raise what can be said against *address* without asking anybody: a forbidden scheme, port or host.

        Nothing against an unknown region: clients expect that the import is accepted, and fails.

        Raises:
            InvalidInput: With the reason.
        """

    def open(self, address: Address_contra) -> AbstractAsyncContextManager[Opened]:
        """Connect, and read the head of the answer. Leaving the context closes all connections.

        Raises:
            InvalidInput: If it is refused, by us or for good by the source: it is useless to try again.
            Unavailable: If it may work later.
        """


class Sources(Protocol):
    """The sources of a deployment. Close it."""

    @property
    def web(self) -> Source[WebFile]: ...

    @property
    def remote(self) -> Source[RemoteImage]: ...

    async def close(self) -> None: ...
