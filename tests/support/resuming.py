"""Resumable uploads over a real connection: open one, send pieces, finish what is missing."""

import os
from typing import Any

from aftermath import OCTETS
from rude import request
from server import MIB, Answer, Server

DATA = os.urandom(5 * MIB + 12345)


def opened(server: Server, size: int | None = len(DATA), **attributes: Any) -> tuple[str, str]:
    """Return an image's id, and the address of the upload that is open for it."""
    image_id = server.create(**attributes)
    answer = server.api("POST", f"/v2/images/{image_id}/uploads", {"size": size})
    assert answer.status == 201, answer.body
    return image_id, str(answer.json["url"])


def document(server: Server, path: str) -> dict[str, Any]:
    answer = server.call("GET", path)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


def piece_head(path: str, first: int, length: int, size: int = len(DATA), /, **headers: str) -> bytes:
    content_range = f"bytes {first}-{first + length - 1}/{size}"
    return request("PUT", path, content_range=content_range, **{"content_type": OCTETS} | headers)


def send_piece(server: Server, path: str, first: int, data: bytes, size: int = len(DATA)) -> Answer:
    content_range = f"bytes {first}-{first + len(data) - 1}/{size}"
    return server.call("PUT", path, data, headers={"Content-Type": OCTETS, "Content-Range": content_range})


def finish(server: Server, path: str, data: bytes = DATA) -> int:
    """Send what is missing, piece by piece, and return how many bytes that were."""
    ranges, sent, at = document(server, path)["ranges"], 0, 0
    for first, end in [*((first, last + 1) for first, last in ranges), (len(data), len(data))]:
        if at < first:
            answer = send_piece(server, path, at, data[at:first], len(data))
            assert answer.status in (202, 204), answer.body
            sent += first - at
        at = end
    return sent
