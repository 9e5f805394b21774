"""Images of another Glance or Stillage, which takes the user's token, as sources of imports (``glance-download``).

The operator says which services there are: by region in the settings, or in the catalogue of the cloud's Keystone. The
user's token goes to them and nowhere else: they are asked without a proxy, and no redirect is followed. Their addresses
are not checked, since services of a cloud are private. What comes must have the digest that is on record there.

Source: OpenStack Image API v2, "Show image" and "Download binary image data"; Identity API v3, "Get service catalog".
"""

import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any
from uuid import UUID

from yarl import URL

from stillage.errors import SourceForbidden, SourceLengthMismatch, SourceRefused
from stillage.images.creation import BASE, IGNORED
from stillage.operations.imports.sources import Described, Opened, RemoteImage
from stillage.outgoing.digests import verified
from stillage.outgoing.fetch import Fetcher, read_small, require_file
from stillage.outgoing.transfer import Retries, Splitting, Transfer
from stillage.peers import Peer

INTERFACES = ("public", "internal", "admin")
CATALOGUE = "/v3/auth/catalog"
MOST_RECORD = 4 << 20
SHOWN = ("status", "checksum", "created_at", "updated_at", "self", "file", "schema", "direct_url", "stores")
"""Attributes that an image has, and nobody gives it."""
CHECKED = ("sha512", "sha384", "sha256", "sha1", "md5")


class GlanceSource:
    """Implements `Source` for images of other services."""

    def __init__(self, fetcher: Fetcher, remotes: Mapping[str, str], keystone: Peer | None, retries: Retries) -> None:
        """Describe which services there are.

        Args:
            fetcher: Connects to any address, and follows no redirect.
            remotes: The URL of the image service of each region that the settings name.
            keystone: Has the catalogue of other regions; None if there is none.
            retries: How much trouble is put up with.
        """
        self._fetcher = fetcher
        self._remotes = remotes
        self._keystone = keystone
        self._retries = retries

    async def close(self) -> None:
        """Close what is kept open for the next import."""
        await self._fetcher.close()

    def check(self, address: RemoteImage) -> None:
        """As `Source`."""
        if not _is_uuid(address.image_id):
            raise SourceForbidden(_named(address), "its id is no UUID")

    def _require_place(self, address: RemoteImage) -> None:
        """Raise SourceForbidden unless there may be such a service. Not before the import is accepted, as in Glance."""
        if address.interface not in INTERFACES:
            raise SourceForbidden(_named(address), f"its interface is none of {', '.join(INTERFACES)}")
        if address.region not in self._remotes and self._keystone is None:
            raise SourceForbidden(_named(address), "the settings (import_remotes) have no image service of this region")

    @asynccontextmanager
    async def open(self, address: RemoteImage) -> AsyncIterator[Opened]:
        """As `Source`."""
        self.check(address)
        self._require_place(address)
        image = await self._image_url(address)
        headers = {"X-Auth-Token": address.token}
        record = await self._record(image, headers)
        url = image / "file"
        answer = await self._fetcher.ask(url, headers)
        try:
            if answer.status == 204 and record["size"] == 0:
                yield _opened(address, record, _nothing(), lambda: 1.0)
                return
            require_file(answer, 200)
            transfer = Transfer(self._fetcher, answer, self._retries, Splitting(), is_immutable=True)
            if transfer.seen.length not in (None, record["size"]):
                raise SourceLengthMismatch(str(url), record["size"], transfer.seen.length)
            async with aclosing(transfer.blocks()) as blocks, aclosing(_checked(url, blocks, record)) as chunks:
                yield _opened(address, record, chunks, transfer.fraction)
        finally:
            answer.close()

    async def _image_url(self, address: RemoteImage) -> URL:
        service = self._remotes.get(address.region) or await self._in_catalogue(address)
        return self._fetcher.require(f"{service.rstrip('/').removesuffix('/v2')}/v2/images/{UUID(address.image_id)}")

    async def _in_catalogue(self, address: RemoteImage) -> str:
        assert self._keystone is not None  # noqa: S101 - `check` was called
        reply = await self._keystone("GET", CATALOGUE, {"X-Auth-Token": address.token})
        if reply.status != 200:
            raise SourceRefused(_named(address), f"Keystone answered {reply.status} to the request for its catalogue")
        url = endpoint_in(_parsed(reply.body), address.region, address.interface)
        if url is None:
            why = f"Keystone's catalogue has no {address.interface} endpoint of an image service in this region"
            raise SourceForbidden(_named(address), why)
        return url

    async def _record(self, image: URL, headers: Mapping[str, str]) -> Mapping[str, Any]:
        record = _parsed(await read_small(self._fetcher, image, MOST_RECORD, headers))
        if not isinstance(record, dict) or record.get("status") != "active":
            raise SourceRefused(str(image), "the image there is not active")
        size = record.get("size")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise SourceRefused(str(image), "the image there has no size")
        return record


def endpoint_in(document: Any, region: str, interface: str) -> str | None:
    """Return the URL of the image service of *region* in a catalogue, None if it has none."""
    try:
        return next(
            str(endpoint["url"])
            for service in document["catalog"]
            if service["type"] == "image"
            for endpoint in service["endpoints"]
            if endpoint["interface"] == interface and region in (endpoint.get("region_id"), endpoint.get("region"))
        )
    except (KeyError, TypeError, AttributeError, StopIteration):
        return None


def described(record: Mapping[str, Any]) -> Described:
    """Return what *record*, of an image as the image API shows it, says that an image here may take along."""
    known = {*BASE, *IGNORED, *SHOWN}
    properties = {name: value for name, value in record.items() if isinstance(value, str) and name not in known}
    return Described(_text(record, "disk_format"), _text(record, "container_format"), properties)


def _opened(address: RemoteImage, record: Mapping[str, Any], chunks: AsyncIterator[bytes], fraction: Any) -> Opened:
    return Opened(record["size"], address.image_id, chunks, fraction, described(record))


def _checked(url: URL, blocks: AsyncGenerator[bytes], record: Mapping[str, Any]) -> AsyncGenerator[bytes]:
    """Yield *blocks*, and raise at their end unless they have the digest on *record*; an old one has only MD5."""
    digests: Sequence[tuple[Any, Any]] = (
        (record.get("os_hash_algo"), record.get("os_hash_value")),
        ("md5", record.get("checksum")),
    )
    for algorithm, digest in digests:
        if algorithm in CHECKED and isinstance(digest, str) and digest:
            hashing = hashlib.new(algorithm, usedforsecurity=False)
            return verified(url, blocks, hashing, frozenset({digest.lower()}))
    return blocks


async def _nothing() -> AsyncGenerator[bytes]:
    return
    yield b""


def _text(record: Mapping[str, Any], name: str) -> str | None:
    value = record.get(name)
    return value if isinstance(value, str) else None


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _named(address: RemoteImage) -> str:
    return f"image {address.image_id[:64]!r} of region {address.region[:64]!r}"
