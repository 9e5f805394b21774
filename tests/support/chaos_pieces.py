"""A client of `chaos` that uploads in pieces: in any order, each to another node, cut off, sent again, given up."""

import random
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from resuming import piece_head, send_piece
from rude import Rude
from server import Server
from waits import Waits

LARGEST = 6 << 20
BLOCK = 200_000
GIVES_UP_AFTER_S = 30.0
GONE = (OSError, AssertionError, ValueError)
LEAVES, BREAKS_OFF = 0.05, 0.2


class PiecesClient:
    """Sends one image."""

    def __init__(self, server: Server, dice: random.Random, waits: Waits, data: bytes) -> None:
        self._server = server
        self._dice = dice
        self._waits = waits
        self._data = data

    def upload(self, image_id: str) -> bool:
        """Return True if the server says that it has the whole image."""
        size = self._dice.choice([len(self._data), None])
        with self._waits.timing(f"the opening of an upload to {image_id}"):
            opened = self._server.api("POST", f"/v2/images/{image_id}/uploads", {"size": size})
        if opened.status != 201:
            return False
        path, until = str(opened.json["url"]), time.monotonic() + GIVES_UP_AFTER_S
        while time.monotonic() < until and self._dice.random() > LEAVES:
            with suppress(*GONE):
                document = self._document(path)
                if document is None or document["complete"]:
                    return document is not None
                if self._send_some(path, document):
                    return True
            time.sleep(0.02)
        return False

    def _document(self, path: str) -> Mapping[str, Any] | None:
        """Return what the server says of the upload; None if it has ended without success."""
        with self._waits.timing(f"the state of {path}"):
            answer = self._server.call("GET", path)
        if answer.status in (404, 410):
            return None
        assert answer.status == 200, answer.body
        found: Mapping[str, Any] = answer.json
        return found

    def _send_some(self, path: str, document: Mapping[str, Any]) -> bool:
        size = len(self._data)
        ends = [0, *(last + 1 for _, last in document["ranges"])]
        firsts = [*(first for first, _ in document["ranges"]), size]
        gaps = [(end, first) for end, first in zip(ends, firsts, strict=True) if end < first]
        begin, end = self._dice.choice(gaps or [(0, size)])
        first = self._dice.choice([begin, self._dice.randrange(begin, end)])
        piece = self._data[first : min(end, first + self._dice.randrange(1, LARGEST))]
        if self._dice.random() < BREAKS_OFF:
            self._break_off(path, first, piece)
            return False
        with self._waits.timing(f"a piece of {len(piece)} bytes to {path}"):
            return send_piece(self._server, path, first, piece, size).status == 204

    def _break_off(self, path: str, first: int, piece: bytes) -> None:
        with Rude(self._server) as client:
            client.send(piece_head(path, first, len(piece), len(self._data), content_length=str(len(piece))))
            for start in range(0, self._dice.randrange(len(piece)), BLOCK):
                client.send(piece[start : start + BLOCK])
            client.reset()
