"""The protocols of resumable uploads as small clients, so that a test can be written once for all of them."""

import asyncio
import base64
import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from image_api import Person
from server import Answer

TUS = {"tus_resumable": "1.0.0"}
OFFSET_OCTETS = "application/offset+octet-stream"
PARTIAL = "application/partial-upload"
DATA = bytes(range(256)) * 40
HALF = len(DATA) // 2


def path_of(answer: Answer) -> str:
    """The upload's address, without the host."""
    return urlsplit(answer.headers["location"]).path


def base64_of(algorithm: str, data: bytes) -> str:
    return base64.b64encode(hashlib.new(algorithm, data).digest()).decode()


async def queued(person: Person, **attributes: Any) -> str:
    image = await person.create(**{"disk_format": "raw", "container_format": "bare"} | attributes)
    return str(image["id"])


async def document(person: Person, path: str) -> dict[str, Any]:
    answer = await person("GET", path)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


async def holds(person: Person, image_id: str, data: bytes = DATA) -> None:
    """Check that the image is active with *data*."""
    image = await person.show(image_id)
    assert (image["status"], image["size"]) == ("active", len(data))
    assert image["checksum"] == hashlib.md5(data).hexdigest()
    assert image["os_hash_value"] == hashlib.sha512(data).hexdigest()
    assert (await person("GET", f"/v2/images/{image_id}/file")).body == data


async def there(person: Person, path: str, least: int) -> int:
    """Wait until *least* bytes count, and return how many do."""
    async with asyncio.timeout(60):
        # Only the server knows.
        while (count := (await document(person, path))["received"]) < least:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return int(count)


@dataclass(frozen=True)
class UploadProtocol:
    """One way in.

    Attributes:
        in_order: It takes only what comes next.
        lying: The status of a piece that has another digest than it says.
        resized: The status of another size than before.
    """

    name: str
    in_order: bool
    lying: int = 400
    resized: int = 409

    async def open(self, person: Person, image_id: str, size: int | None = None) -> str:
        """Open an upload, and return its address."""
        raise NotImplementedError

    async def send(
        self,
        person: Person,
        path: str,
        first: int,
        data: Any,
        *,
        size: int | None = None,
        last: bool = False,
        digest_of: bytes | None = None,
        **headers: str,
    ) -> Answer:
        """Send a piece. *size*: of the whole; *digest_of*: other bytes than *data*, whose digest is sent with it."""
        raise NotImplementedError

    async def stands_at(self, person: Person, path: str) -> int:
        raise NotImplementedError


@dataclass(frozen=True)
class Pieces(UploadProtocol):
    name: str = "pieces"
    in_order: bool = False

    async def open(self, person: Person, image_id: str, size: int | None = None) -> str:
        answer = await person("POST", f"/v2/images/{image_id}/uploads", {"size": size})
        assert answer.status == 201, answer.body
        return path_of(answer)

    async def send(
        self,
        person: Person,
        path: str,
        first: int,
        data: Any,
        *,
        size: int | None = None,
        last: bool = False,
        digest_of: bytes | None = None,
        **headers: str,
    ) -> Answer:
        length = int(headers.pop("length", 0)) or len(data)
        end = first + length
        whole = end if last else size
        headers["content_range"] = f"bytes {first}-{end - 1}/{'*' if whole is None else whole}"
        if digest_of is not None:
            headers["content_digest"] = f"sha-256=:{base64_of('sha256', digest_of)}:"
        return await person("PUT", path, data, **headers)

    async def stands_at(self, person: Person, path: str) -> int:
        answer = await person("GET", path)
        assert answer.status == 200, answer.body
        return int(answer.json["offset"])


@dataclass(frozen=True)
class Tus(UploadProtocol):
    name: str = "tus"
    in_order: bool = True
    lying: int = 460

    async def open(self, person: Person, image_id: str, size: int | None = None) -> str:
        length = {"upload_defer_length": "1"} if size is None else {"upload_length": str(size)}
        answer = await person("POST", f"/v2/images/{image_id}/uploads", **TUS, **length)
        assert answer.status == 201, answer.body
        return path_of(answer)

    async def send(
        self,
        person: Person,
        path: str,
        first: int,
        data: Any,
        *,
        size: int | None = None,
        last: bool = False,
        digest_of: bytes | None = None,
        **headers: str,
    ) -> Answer:
        headers.pop("length", None)
        headers |= {"upload_offset": str(first), "content_type": OFFSET_OCTETS, **TUS}
        if size is not None or last:
            headers["upload_length"] = str(first + len(data) if size is None else size)
        if digest_of is not None:
            headers["upload_checksum"] = f"sha1 {base64_of('sha1', digest_of)}"
        return await person("PATCH", path, data, **headers)

    async def stands_at(self, person: Person, path: str) -> int:
        answer = await person("HEAD", path, **TUS)
        assert answer.status == 200
        return int(answer.headers["upload-offset"])


@dataclass(frozen=True)
class Ietf(UploadProtocol):
    name: str = "ietf"
    in_order: bool = True
    resized: int = 400

    async def open(self, person: Person, image_id: str, size: int | None = None) -> str:
        length = {} if size is None else {"upload_length": str(size)}
        answer = await person("PUT", f"/v2/images/{image_id}/file", b"", upload_complete="?0", **length)
        assert answer.status == 201, answer.body
        return path_of(answer)

    async def send(
        self,
        person: Person,
        path: str,
        first: int,
        data: Any,
        *,
        size: int | None = None,
        last: bool = False,
        digest_of: bytes | None = None,
        **headers: str,
    ) -> Answer:
        headers.pop("length", None)
        complete = "?1" if last else "?0"
        headers |= {"upload_offset": str(first), "content_type": PARTIAL, "upload_complete": complete}
        if size is not None:
            headers["upload_length"] = str(size)
        if digest_of is not None:
            headers["content_digest"] = f"sha-256=:{base64_of('sha256', digest_of)}:"
        return await person("PATCH", path, data, **headers)

    async def stands_at(self, person: Person, path: str) -> int:
        answer = await person("HEAD", path)
        assert answer.status == 204
        return int(answer.headers["upload-offset"])


PROTOCOLS = (Pieces(), Tus(), Ietf())
