"""Uploads a file as an image, and never sends a byte twice.

The server's word on what it has is the truth; what is kept here only says where to ask. A record's id is ours and is
kept before the record is made, so that a command that was killed at any moment finds what it had begun.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from stillage.client.attributes import Attributes
from stillage.client.begun import PACKAGES, Begun
from stillage.client.digests import Digests
from stillage.client.errors import ServerRefused, UnusableFile
from stillage.client.having import Having
from stillage.client.images import Images, OpenUpload, Proof
from stillage.client.local import Rules
from stillage.client.pieces import LARGEST, MIB, plan
from stillage.client.plain import PlainSending
from stillage.client.progress import Progress
from stillage.client.rate_limit import RateLimit
from stillage.client.sending import Sending
from stillage.client.session import Session
from stillage.client.source import Source
from stillage.client.state import Entry, Shelf
from stillage.client.verification import digests_of, verify
from stillage.formats.safety import Declaration
from stillage.spans import Span, total

# Smaller files are not worth a second request.
AT_ONCE = MIB
# Every record has the second; the first is the default of Glance and Stillage.
USUAL_DIGESTS = ("sha512", "md5")
DECLARED_DIGESTS = (*USUAL_DIGESTS, "sha256")
# A server on this machine shares our processors: more connections, requests and digests cost both. Larger files are
# compared by the better digest alone,
LOCAL_LARGE = 64 * MIB
# and sent in pieces of this.
LOCAL_PIECE = 1 << 30
CONNECTIONS = 4
"""To a server elsewhere."""
# Statuses that say that these bytes are refused for good, so the record is useless.
UNWANTED = (400, 409, 410, 413, 415, 422)
POLL_S = 0.2
LONGEST_POLL_S = 2.0


@dataclass(frozen=True, slots=True)
class Order:
    """What the user wants.

    Attributes:
        attributes: Of the record to create; None if `image_id` names an existing one.
        connections: How many at the same time; None takes what is usual for where the server is.
        piece_bytes: Size of a piece; None chooses it by the size of the file.
        rules: Rules to inspect the file by before anything is sent; None leaves that to the server.
        instant: Hash the file first, and send nothing if the server already has the bytes.
        rate: Limits the rate.
    """

    attributes: Attributes | None
    image_id: str | None = None
    connections: int | None = None
    piece_bytes: int | None = None
    rules: Rules | None = None
    instant: bool = False
    rate: RateLimit | None = None


@dataclass(slots=True)
class Outcome:
    """The result so far.

    Attributes:
        way: How the bytes were sent: ``pieces``, ``plain`` or ``instant``; ``unchanged`` if they were there.
        sent: Bytes sent over the network in this run.
        zeros: Bytes that were only declared to be zeros.
        resumed: Bytes sent by earlier runs.
        taken: Bytes that the server took from images that it has.
        verified: The digests of the record that were compared with the file.
        replaced: Ids of images of the same name that were deleted.
    """

    size: int = 0
    image_id: str | None = None
    way: str | None = None
    sent: int = 0
    zeros: int = 0
    resumed: int = 0
    taken: int = 0
    verified: Mapping[str, str] = field(default_factory=dict)
    replaced: tuple[str, ...] = ()


class Upload:
    """Sends one file.

    Args:
        session: With the server.
        order: What the user wants.
        state: The folder for state that outlives the command.
        progress: Where to report.
    """

    def __init__(self, session: Session, order: Order, *, state: Path, progress: Progress) -> None:
        self._session = session
        self._images = Images(session)
        self._order = order
        self._progress = progress
        self._begun = Shelf(state, "uploads")
        self._read = Shelf(state, "files")
        self.outcome = Outcome()

    async def run(self, name: str) -> Outcome:
        """Send the file *name*.

        Raises:
            ClientError: If that was not possible; its kind says why.
        """
        with Source.opened(name) as source:
            self.outcome.size, source.rate = source.size, self._order.rate
            with self._entry(source).held("is uploading this file as the same image") as entry:
                begun = await self._begin(source, entry)
                await self._finish(source, begun)
                entry.remove()
                return self.outcome

    def _entry(self, source: Source) -> Entry:
        order, place = self._order, self._session.place
        what = order.image_id if order.attributes is None else repr(order.attributes.document())
        return self._begun.entry(place.image_url, place.project_id, str(source.path), str(what))

    # Beginning or resuming

    async def _begin(self, source: Source, entry: Entry) -> Begun:
        kept = Begun.of(entry)
        if kept is not None and kept.file != _file_of(source):
            self._progress.say("the file changed since its upload was begun; starting again")
            await self._forget(kept)
            kept = None
        image = None
        if kept is not None:
            image = await self._images.find_by_id(kept.image_id)
            if image is None and kept.is_made:
                self._progress.say("the image of the unfinished upload is gone; starting again")
                kept = None
        begun = kept or await self._inspected(source, entry)
        self.outcome.image_id = begun.image_id
        if not begun.is_made and image is None:
            begun.keep()  # before the record is created, so that it can be found again
            image = await self._images.create(begun.image_id, begun.attributes(self._order.attributes))
        begun.is_made = True
        begun.is_done = image is not None and image["status"] == "active"
        begun.keep()
        return begun

    async def _inspected(self, source: Source, entry: Entry) -> Begun:
        """Inspect the file and return the new upload."""
        order = self._order
        image = await self._images.get(order.image_id) if order.image_id else None
        if image is not None and image["status"] != "queued":
            raise ServerRefused(
                f"image {image['id']} is {image['status']}; only a queued image can be uploaded to", status=409
            )
        found = None
        if order.rules is not None:
            self._progress.begin("inspecting", source.size)
            declared = _declaration(image, order.attributes)
            found = (await asyncio.to_thread(source.inspect, declared, order.rules)).format
        return Begun(
            entry=entry,
            file=_file_of(source),
            image_id=image["id"] if image else str(uuid4()),
            is_made=image is not None,
            disk_format=found,
            zeros=source.holes(),
        )

    async def _forget(self, begun: Begun) -> None:
        """Undo what an earlier command began and cannot be finished."""
        if begun.url is not None:
            await self._images.abandon(begun.url)
        await self._drop(begun)

    async def _drop(self, begun: Begun) -> None:
        """Remove the record created for an upload, unless it has its bytes."""
        image = await self._images.find_by_id(begun.image_id)
        if self._order.attributes is not None and image is not None and image["status"] != "active":
            await self._images.delete(begun.image_id)

    # Sending

    async def _finish(self, source: Source, begun: Begun) -> None:
        remembered = self._read.entry(str(source.path))
        known = source.known_digests(remembered)
        if self._order.instant and not begun.is_done:
            known |= await self._hashed(source, [name for name in DECLARED_DIGESTS if name not in known])
            source.remember_digests(remembered, known)
        usual = USUAL_DIGESTS[:1] if self._session.place.is_local and source.size > LOCAL_LARGE else USUAL_DIGESTS
        async with Digests(source.descriptor, source.size, [n for n in usual if n not in known]) as digests:
            try:
                if not begun.is_done:
                    await self._send(source, begun, known)
                image = await self._settled(begun.image_id)
                known |= await _in_time(digests)
                source.require_unchanged()
                known |= await self._hashed(source, [n for n in list(digests_of(image))[:1] if n not in known])
                self.outcome.verified = verify(image, size=source.size, digests=known)
            except ServerRefused as refused:
                if refused.status in UNWANTED and self._order.attributes is not None:
                    await self._drop(begun)
                    begun.entry.remove()
                raise
            finally:
                source.remember_digests(remembered, known | digests.done)

    async def _send(self, source: Source, begun: Begun, known: Mapping[str, str]) -> None:
        upload = None
        if source.size > AT_ONCE:
            upload = await self._resumed(begun, source.size) or await self._opened(source, begun, known)
        if upload is None:
            await self._send_plainly(source, begun.image_id)
        elif not (upload.proof is not None and await self._proven(source, upload, upload.proof)):
            await self._send_pieces(source, begun, upload)

    async def _resumed(self, begun: Begun, size: int) -> OpenUpload | None:
        if begun.url is None:
            return None
        found = await self._images.resume_upload(begun.url, size)
        if isinstance(found, OpenUpload):
            begun.url = found.url
            begun.keep()
            self.outcome.resumed = total(found.received)
            share = 100 * self.outcome.resumed // self.outcome.size
            self._progress.say(f"resuming image {begun.image_id}; the server already has {share} %")
            return found
        self._progress.say(f"the unfinished upload has ended ({found.message}); starting again")
        begun.url = None
        return None

    async def _opened(self, source: Source, begun: Begun, known: Mapping[str, str]) -> OpenUpload | None:
        upload = await self._images.open_upload(begun.image_id, source.size, known)
        if upload is None:
            self._progress.say(
                "this server cannot resume uploads: sending the file in one request, from the start if it breaks"
            )
            return None
        begun.url = upload.url
        begun.keep()
        return upload

    async def _proven(self, source: Source, upload: OpenUpload, proof: Proof) -> bool:
        nonce = proof.nonce.encode()
        digests = [await asyncio.to_thread(source.digest, span, nonce) for span in proof.spans]
        if not await self._images.prove(upload.url, proof, digests):
            return False
        self.outcome.way = "instant"
        return True

    async def _send_pieces(self, source: Source, begun: Begun, upload: OpenUpload) -> None:
        self.outcome.way = "pieces"
        upload = await self._with_what_is_there(source, begun, upload)
        whole = Span(0, source.size)
        connections = self._order.connections or (1 if self._session.place.is_local else CONNECTIONS)
        if size := self._order.piece_bytes or (LOCAL_PIECE if connections == 1 else None):
            pieces = plan(whole, upload.received, begun.zeros, size)
        else:
            pieces = plan(whole, upload.received, begun.zeros, LARGEST, connections=connections)
        to = (begun.image_id, upload.url, self._progress)
        finds_zeros = self._order.rules is not None
        sending = Sending(self._session.retry, self._images, source, *to, finds_zeros=finds_zeros)
        try:
            await sending.run(pieces, connections)
        finally:
            self.outcome.sent, self.outcome.zeros = sending.sent, sending.zeros

    async def _with_what_is_there(self, source: Source, begun: Begun, upload: OpenUpload) -> OpenUpload:
        """Have the server take what it has of the file; return the upload as it is then."""
        having = Having(self._images, source, upload.url, self._progress)
        if not await having.run(upload.received, begun.zeros):
            return upload
        now = await self._images.find_upload(upload.url)
        if not isinstance(now, OpenUpload):
            return upload  # it has ended, as the next request will find
        self.outcome.taken = total(now.received) - total(upload.received)
        return now

    async def _send_plainly(self, source: Source, image_id: str) -> None:
        self.outcome.way = "plain"
        sending = PlainSending(self._session.retry, self._images, source, image_id, self._progress)
        try:
            await sending.run(silently=source.size <= AT_ONCE)
        finally:
            self.outcome.sent = sending.sent

    async def _settled(self, image_id: str) -> dict[str, Any]:
        """Wait until the image is active, and return its record."""
        pause = POLL_S
        while (image := await self._images.get(image_id))["status"] in ("saving", "importing", "uploading"):
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_POLL_S)
        if image["status"] != "active":
            reason = image.get("os_stillage_reason") or "no reason given"
            raise ServerRefused(f"the image is {image['status']} again: {reason}", status=415)
        return image

    async def _hashed(self, source: Source, names: list[str]) -> dict[str, str]:
        async with Digests(source.descriptor, source.size, names) as digests:
            return await _in_time(digests)


def _file_of(source: Source) -> list[int]:
    known = source.identity
    return [known.size, known.mtime_ns, known.inode]


def _declaration(image: Mapping[str, Any] | None, attributes: Attributes | None) -> Declaration:
    """Return what the record says, or will say, about the bytes."""
    said = image if image is not None else attributes.document() if attributes is not None else {}
    wrapped = said.get("container_format") in PACKAGES
    return Declaration(said.get("disk_format"), wrapped=wrapped, min_disk=int(said.get("min_disk") or 0))


async def _in_time(digests: Digests) -> dict[str, str]:
    try:
        return await digests.all()
    except OSError as error:
        raise UnusableFile(f"cannot read it: {error.strerror}") from error
