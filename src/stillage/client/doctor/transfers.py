"""Asks with credentials: uploads into images that are deleted again, and downloads from them."""

import asyncio
import struct
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto

from stillage.client.attributes import Attributes
from stillage.client.doctor.bodies import OCTETS, PIECE, Early
from stillage.client.doctor.wire import Cut, Head, Target, Wire
from stillage.client.http import Broken, Request, alive
from stillage.client.images import Images
from stillage.client.session import Session

NAME = "stillage-doctor"
DATA = bytes(range(256)) * 512
"""What is uploaded and read again: 128 KiB."""
GROWING = (1 << 20, 4 << 20)
GROWING_THOROUGH = (*GROWING, 64 << 20, 256 << 20)
HOSTILE_SIZE = 8 << 20
SEEN = 1 << 20
"""Bytes of a hostile image after which it is refused."""
VERDICT_S = 60.0
"""Waited for after the last byte of an image."""
FIRST, LAST = 1000, 1999
SILENCE_S = 14
"""A stream of events without news sends something every 14.4 s."""
WATCHED_S = 60
"""How long a stream is watched for such a silence."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds to wait: for an answer that is due, and in the middle of an upload."""

    answer_s: float
    pause_s: float


@dataclass(frozen=True, slots=True)
class Put:
    """What came of an upload of *size* bytes. *in_pause*: it ended while nothing was sent."""

    size: int
    head: Head | None = None
    in_pause: bool = False

    @property
    def is_done(self) -> bool:
        return self.head is not None and self.head.status in (200, 201, 204)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of a download, and of one of a range. *is_right*: the range has the bytes that were asked for."""

    status: int
    etag: str
    encoding: str
    range_status: int
    is_right: bool


class Silence(Enum):
    """What a stream of events did when it was silent for `SILENCE_S`."""

    SURVIVED = auto()
    CUT = auto()
    NEVER = auto()
    """It was never silent for so long: somebody works meanwhile."""
    NO_STREAM = auto()


class Watch:
    """Watches a stream from *now* on, in seconds of any clock, for a silence after which it goes on."""

    def __init__(self, now: float) -> None:
        self._last = now
        self._end = now + WATCHED_S

    def hear(self, now: float) -> Silence | None:
        """Bytes came. Return what is known by them; None: watch on."""
        silent_s, self._last = now - self._last, now
        if silent_s >= SILENCE_S:
            return Silence.SURVIVED
        return Silence.NEVER if now >= self._end else None


class Transfers:
    """Uploads and downloads through *session*, to the same server as *target*."""

    def __init__(self, session: Session, target: Target, waits: Waits) -> None:
        self._session = session
        self._target = target
        self._waits = waits

    async def upload_and_fetch(self, size: int) -> tuple[Put, Fetched | None]:
        """Upload *size* bytes with a pause in the middle, and download them."""
        async with self._image("raw") as image_id:
            done = await self._put_with_a_pause(image_id, DATA[:size])
            return done, await self._fetch(image_id) if done.is_done else None

    async def grow(self, sizes: tuple[int, ...]) -> Put:
        """Upload more and more bytes without a length, and return what came of the last one or the first failure."""
        done = Put(0)
        for size in sizes:
            async with self._image("raw") as image_id:
                done = await self._put_chunked(image_id, size)
            if not done.is_done:
                break
        return done

    async def refuse(self, size: int) -> Early:
        """Send the beginning of a hostile image of *size* bytes, and see whether it is refused by then."""
        async with self._image("qcow2") as image_id, Wire.to(self._target) as wire:
            try:
                await self._begin(wire, image_id, {"Content-Length": str(size)})
                beginning = (hostile_beginning(), *(PIECE for _ in range(SEEN // len(PIECE) - 1)))
                sent, head = await wire.send_until_answered(beginning, self._waits.answer_s)
            except Cut:
                return Early(SEEN, size, cut=True)
            return Early(sent, size, head)

    async def listen(self) -> Silence:
        """Watch a stream of events until it has been silent for `SILENCE_S`, or is cut."""
        request = Request("GET", self._session.url("/v2/events"), idle_s=2 * SILENCE_S)
        now = asyncio.get_running_loop().time
        try:
            async with self._session.stream(request) as (response, limit):
                if response.status != 200:
                    return Silence.NO_STREAM
                watch = Watch(now())
                while await response.content.readany():
                    if (known := watch.hear(now())) is not None:
                        return known
                    alive(limit, request.idle_s)
        except Broken:
            return Silence.CUT
        return Silence.CUT

    @asynccontextmanager
    async def _image(self, disk_format: str) -> AsyncIterator[str]:
        """Make an image, and delete it whatever happens."""
        images = Images(self._session)
        image_id = str(uuid.uuid4())
        await images.create(image_id, Attributes(NAME, disk_format, visibility="private"))
        try:
            yield image_id
        finally:
            await images.delete(image_id)

    async def _put_with_a_pause(self, image_id: str, data: bytes) -> Put:
        async with Wire.to(self._target) as wire:
            pausing = False
            try:
                await self._begin(wire, image_id, {"Content-Length": str(len(data))})
                await wire.send(data[: len(data) // 2])
                pausing = True
                if (head := await wire.final(self._waits.pause_s)) is not None:
                    return Put(len(data), head, in_pause=True)
                pausing = False
                await wire.send(data[len(data) // 2 :])
                return Put(len(data), await wire.final(VERDICT_S))
            except Cut:
                return Put(len(data), in_pause=pausing)

    async def _put_chunked(self, image_id: str, size: int) -> Put:
        async with Wire.to(self._target) as wire:
            try:
                await self._begin(wire, image_id, {"Transfer-Encoding": "chunked"})
                return Put(size, (await wire.send_until_answered(_chunks(size), VERDICT_S))[1])
            except Cut:
                return Put(size)

    async def _begin(self, wire: Wire, image_id: str, headers: dict[str, str]) -> None:
        path = f"/v2/images/{image_id}/file"
        request = Request("PUT", self._session.url(path), OCTETS, body=_nothing)
        signed = await self._session.signed(request)
        await wire.send_head("PUT", path, dict(signed.headers) | headers)

    async def _fetch(self, image_id: str) -> Fetched:
        url = self._session.url(f"/v2/images/{image_id}/file")
        headers = {"Accept": "*/*", "Accept-Encoding": "gzip"}  # as every client asks
        async with self._session.stream(Request("GET", url, headers)) as (response, _):
            status, etag = response.status, response.headers.get("ETag", "")
            encoding = response.headers.get("Content-Encoding", "")
            response.close()
        ranged = headers | {"Range": f"bytes={FIRST}-{LAST}", "Accept-Encoding": "identity"}
        async with self._session.stream(Request("GET", url, ranged)) as (response, _):
            is_right = response.status == 206 and await response.read() == DATA[FIRST : LAST + 1]
            range_status = response.status
            response.close()
        return Fetched(status, etag, encoding, range_status, is_right)


def hostile_beginning() -> bytes:
    """Return the first bytes of a qcow2 image that names a file of the server as its backing file."""
    name = b"/etc/passwd"
    header = struct.pack(">4sIQIIQ", b"QFI\xfb", 2, 72, len(name), 16, 1 << 30)
    return (header.ljust(72, b"\0") + name).ljust(len(PIECE), b"\0")


def _chunks(size: int) -> Iterator[bytes]:
    for _ in range(size // len(PIECE)):
        yield b"%x\r\n%s\r\n" % (len(PIECE), PIECE)
    yield b"0\r\n\r\n"


async def _nothing() -> AsyncIterator[bytes]:
    """A body that is sent apart; its signature covers the headers alone."""
    return
    yield b""
