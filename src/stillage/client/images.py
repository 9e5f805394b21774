"""Calls the image API: requests that every Glance knows, and Stillage's resumable uploads.

Source: OpenStack Image API v2, "Images" and "Image data"; docs/upload.md for ``/uploads``.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin

from stillage.client.attributes import Attributes
from stillage.client.auth.tokens import json_request
from stillage.client.errors import ServerRefused, UnusableFile
from stillage.client.http import Answer, Body, Request
from stillage.client.session import Session
from stillage.formats.piece_digests import PieceList
from stillage.spans import Span

# A server without resumable uploads has no such path, or allows other methods on it.
UNKNOWN = (404, 405, 501)
GONE = (404, 410)
SUSPENDED = 403  # whoever opened the upload may not resume it without a token
OCTETS = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Proof:
    """What the server asks to prove that we have the bytes of a declared digest."""

    nonce: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """An upload at the server, as last seen.

    Attributes:
        url: With the capability: it authorises resuming the upload.
        received: What the server has.
        verified: Bytes that it has hashed and inspected.
    """

    url: str
    received: tuple[Span, ...] = ()
    verified: int = 0
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """What the server lacks of the pieces in a list; with a proof it takes the others from where it has them."""

    missing: tuple[Span, ...]
    proof: Proof | None


class Images:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def create(self, image_id: str, attributes: Attributes) -> dict[str, Any]:
        """Make a record, and return it. Repeating it is harmless: the id is ours.

        Raises:
            ServerRefused: If the server refuses the image.
        """
        document = {**attributes.document(), "id": image_id}
        answer = await self._session.ask(json_request("POST", self._session.url("/v2/images"), document))
        if answer.status == 409 and (found := await self.find_by_id(image_id)) is not None:
            return found  # the answer to an earlier attempt was lost
        return answer.document(201)

    async def find_by_id(self, image_id: str) -> dict[str, Any] | None:
        answer = await self._session.ask(Request("GET", self._image(image_id)))
        return None if answer.status in GONE else answer.document(200)

    async def get(self, image_id: str) -> dict[str, Any]:
        """Return the record.

        Raises:
            ServerRefused: If it is not there.
        """
        found = await self.find_by_id(image_id)
        if found is None:
            raise ServerRefused(f"there is no image {image_id}", status=404)
        return found

    async def get_by_name(self, name_or_id: str) -> dict[str, Any]:
        """Return the one image that *name_or_id* names.

        Raises:
            ServerRefused: If there is none.
            UnusableFile: If there are several.
        """
        answer = await self._session.ask(Request("GET", self._image(name_or_id)))
        if answer.status == 200:
            return answer.document(200)
        url = self._session.url(f"/v2/images?name={quote(name_or_id, safe='')}")
        found: list[dict[str, Any]] = (await self._session.ask(Request("GET", url))).document(200).get("images") or []
        if len(found) > 1:
            ids = ", ".join(str(image["id"]) for image in found)
            raise UnusableFile(f"{len(found)} images are named {name_or_id!r}; give one of the ids {ids}")
        if not found:
            raise ServerRefused(f"there is no image {name_or_id!r}", status=404)
        return found[0]

    async def delete(self, image_id: str) -> None:
        """Remove the record. Failures are ignored."""
        await self._session.ask(Request("DELETE", self._image(image_id)))

    # Imports

    async def start_import(self, image_id: str, document: Mapping[str, Any]) -> None:
        """Have the server import; ServerRefused if it does not. An attempt whose answer was lost is none."""
        answer = await self._session.ask(json_request("POST", f"{self._image(image_id)}/import", document))
        if answer.status == 409 and (await self.get(image_id))["status"] in ("importing", "active"):
            return
        answer.require(202)

    async def find_last_task(self, image_id: str) -> dict[str, Any] | None:
        """Return the newest task of the image; None if there is none, or the server does not show them."""
        answer = await self._session.ask(Request("GET", f"{self._image(image_id)}/tasks"))
        if answer.status in (403, *UNKNOWN):
            return None
        tasks: list[dict[str, Any]] = answer.document(200).get("tasks") or []
        return max(tasks, key=lambda task: str(task.get("created_at")), default=None)

    # Data

    async def put(self, image_id: str, body: Body, size: int, *, stage: bool = False) -> Answer:
        """Send all bytes, once. *stage*: for an import.

        Raises:
            Broken: If no answer came.
        """
        headers = {"Content-Type": OCTETS, "X-OpenStack-Image-Size": str(size)}
        url = f"{self._image(image_id)}/{'stage' if stage else 'file'}"
        return await self._session.once(Request("PUT", url, headers, body=body, length=size))

    async def disk_size(self, image_id: str) -> int:
        """Return the bytes of the disk inside an image.

        Raises:
            ServerRefused: If the server cannot read it, or does not read disks at all.
        """
        answer = await self._session.ask(Request("HEAD", self._data(image_id, disk=True)))
        if answer.status in UNKNOWN:
            why = "this server does not read the disks inside images; download the image, and run stillage convert"
            raise ServerRefused(why, status=answer.status)
        if answer.status == 409:
            raise ServerRefused("there is no disk to read inside this image; download it as it is", status=409)
        return int(answer.require(200).headers["Content-Length"])

    def data(self, image_id: str, span: Span | None = None, *, disk: bool = False) -> Request:
        """Return the request for *span* of the data, or for all of it; of the *disk* inside instead."""
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if span is not None:
            headers["Range"] = f"bytes={span.first}-{span.end - 1}"
        return Request("GET", self._data(image_id, disk=disk), headers)

    # Resumable uploads

    async def open_upload(self, image_id: str, size: int, digests: Mapping[str, str]) -> OpenUpload | None:
        """Open a resumable upload; None if the server does not support them.

        Raises:
            ServerRefused: If it refuses this one.
        """
        url = f"{self._image(image_id)}/uploads"
        answer = await self._session.ask(json_request("POST", url, {"size": size, "digests": dict(digests)}))
        if answer.status in UNKNOWN:
            return None
        document = answer.document(201)
        return _upload_of(document, urljoin(url, answer.headers.get("Location") or str(document.get("url"))))

    async def find_upload(self, url: str) -> OpenUpload | Answer:
        """Return what the server has of an upload, or the answer that says that there is none."""
        answer = await self._by_capability(Request("GET", url))
        return answer if answer.status in GONE else _upload_of(answer.document(200), url)

    async def resume_upload(self, url: str, size: int) -> OpenUpload | Answer:
        """As `find_upload`; if the capability is no longer valid, try with our own token."""
        answer = await self._by_capability(Request("GET", url))
        if answer.status != SUSPENDED:
            return answer if answer.status in GONE else _upload_of(answer.document(200), url)
        base, _, name = url.rpartition("/")
        headers = {"Content-Range": f"bytes */{size}", "Content-Length": "0"}
        answer = await self._session.ask(Request("PUT", f"{base}/{name.partition('.')[0]}", headers))
        if answer.status in GONE:
            return answer
        return _upload_of(answer.document(202), urljoin(url, answer.headers.get("Location") or url))

    async def send(self, url: str, span: Span, size: int, body: Body | None) -> Answer:
        """Send a piece, once; without *body* a piece of zeros.

        Raises:
            Broken: If no answer came.
        """
        headers = {"Content-Type": OCTETS, "Content-Range": f"bytes {span.first}-{span.end - 1}/{size}"}
        if body is None:
            headers |= {"Upload-Zeros": "?1", "Content-Length": "0"}
            return await self._session.http.send(Request("PUT", url, headers))
        return await self._session.http.send(Request("PUT", url, headers, body=body, length=span.length))

    async def prove(self, url: str, proof: Proof, digests: Sequence[str]) -> bool:
        """Answer *proof*; True if that made the image active."""
        document = {"nonce": proof.nonce, "digests": list(digests)}
        answer = await self._by_capability(json_request("POST", f"{url}/proof", document))
        return answer.status == 204

    async def find_missing(self, url: str, pieces: PieceList) -> Missing | None:
        """Return which of *pieces* the server lacks; None if it does not tell."""
        answer = await self._by_capability(json_request("POST", f"{url}/have", _listed(pieces)))
        if answer.status != 200:
            return None
        with suppress(KeyError, TypeError, ValueError):
            document = answer.document(200)
            return Missing(_spans(document["missing"]), _proof_of(document))
        return None

    async def take(self, url: str, pieces: PieceList, proof: Proof, digests: Sequence[str]) -> bool:
        """Answer *proof*; True if the upload has those of *pieces* that were not missing."""
        document = {**_listed(pieces), "nonce": proof.nonce, "proof": list(digests)}
        answer = await self._by_capability(json_request("POST", f"{url}/have", document))
        return answer.status in (202, 204)

    async def abandon(self, url: str) -> None:
        """Abandon an upload. Failures are ignored."""
        await self._by_capability(Request("DELETE", url))

    async def _by_capability(self, request: Request) -> Answer:
        # The URL authorises the request, so no token is sent that might have expired.
        return await self._session.ask_as_anybody(request)

    def _data(self, image_id: str, *, disk: bool) -> str:
        return f"{self._image(image_id)}/{'disk' if disk else 'file'}"

    def _image(self, image_id: str) -> str:
        return self._session.url(f"/v2/images/{quote(image_id, safe='')}")


def _upload_of(document: Mapping[str, Any], url: str) -> OpenUpload:
    try:
        return OpenUpload(
            url=url,
            received=_spans(document.get("ranges")),
            verified=int(document.get("verified") or 0),
            proof=_proof_of(document),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ServerRefused("cannot understand the server's answer about the upload", status=200) from error


def _spans(ranges: Any) -> tuple[Span, ...]:
    return tuple(Span(int(first), int(last) + 1) for first, last in ranges or ())


def _proof_of(document: Mapping[str, Any]) -> Proof | None:
    proof = document.get("proof")
    return Proof(str(proof["nonce"]), _spans(proof["ranges"])) if proof else None


def _listed(pieces: PieceList) -> dict[str, Any]:
    return {"first": pieces.first, "digests": b64encode(pieces.packed).decode()}
