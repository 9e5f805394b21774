"""A client that sends one image through one protocol, and whatever happens goes on: also after it was killed itself.

``python resuming_client.py PROTOCOL URL PATH FILE SEED``: *PATH* is its address. Ends with 0 if the server says
that the upload is complete, with 1 and its words when it says something that no client should hear. Only what comes
with Python is used, since it starts hundreds of times.
"""

import hashlib
import http.client
import json
import random
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT_S = 120
BLOCK = 32 << 10
# Meant to pass: the server starts, or an older request of ours has still to notice that it was taken over.
PASSING = frozenset({408, 409, 429, 500, 502, 503})
TUS = {"Tus-Resumable": "1.0.0"}


class Client:
    def __init__(self, url: str, path: str, data: bytes, dice: random.Random) -> None:
        self._host = urlsplit(url).netloc
        self._path = path
        self._data = data
        self._dice = dice

    def step(self, protocol: str) -> bool:
        """Ask where the upload stands, and send something of what is missing. Returns True when nothing is."""
        return {"pieces": self._piece, "tus": self._tus, "ietf": self._ietf}[protocol]()

    def _piece(self) -> bool:
        document = json.loads(self._ask("GET", {})[1])
        if document["complete"]:
            return True
        ends = [0, *(last + 1 for _, last in document["ranges"])]
        firsts = [*(first for first, _ in document["ranges"]), len(self._data)]
        gaps = [(end, first) for end, first in zip(ends, firsts, strict=True) if end < first]
        if not gaps:
            return self._ended("PUT", {"Content-Range": f"bytes */{len(self._data)}"}, b"")
        begin, end = self._dice.choice(gaps)
        first = self._dice.randrange(begin, end)
        piece = self._data[first : min(end, first + self._dice.randrange(1, 3 << 20))]
        headers = {"Content-Range": f"bytes {first}-{first + len(piece) - 1}/{len(self._data)}"}
        if self._dice.random() < 0.3:
            headers["Content-Digest"] = f"sha-256=:{b64encode(hashlib.sha256(piece).digest()).decode()}:"
        return self._ended("PUT", headers, piece)

    def _tus(self) -> bool:
        offset = int(self._ask("HEAD", TUS)[0]["upload-offset"])
        piece = self._next(offset)
        headers = TUS | {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        if self._dice.random() < 0.3:
            headers["Upload-Checksum"] = f"sha1 {b64encode(hashlib.sha1(piece).digest()).decode()}"
        if offset == len(self._data):
            return bool(json.loads(self._ask("GET", {})[1])["complete"])
        self._ask("PATCH", headers, piece)
        return False

    def _ietf(self) -> bool:
        headers, _ = self._ask("HEAD", {})
        if headers["upload-complete"] == "?1":
            return True
        offset = int(headers["upload-offset"])
        piece = self._next(offset)
        complete = "?1" if offset + len(piece) == len(self._data) else "?0"
        sent = {"Upload-Offset": str(offset), "Upload-Complete": complete, "Content-Type": "application/partial-upload"}
        self._ask("PATCH", sent, piece)
        return False

    def _next(self, offset: int) -> bytes:
        return self._data[offset : offset + self._dice.choice((1 << 18, 1 << 20, 4 << 20))]

    def _ended(self, method: str, headers: dict[str, str], body: bytes) -> bool:
        self._ask(method, {"Content-Type": "application/octet-stream", **headers}, body)
        return False

    def _ask(self, method: str, headers: dict[str, str], body: bytes | None = None) -> tuple[dict[str, str], bytes]:
        """Return the answer's headers, lower case, and body; Passing if the same may be asked again."""
        connection = http.client.HTTPConnection(self._host, timeout=TIMEOUT_S)
        try:
            length = {} if body is None else {"Content-Length": str(len(body))}
            connection.request(method, self._path, None if body is None else _slowly(body), headers | length)
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Passing from error
        finally:
            connection.close()
        if answer.status in PASSING:
            raise Passing
        if answer.status >= 300 and method == "HEAD":
            self._ask("GET", {})  # which can say why
        if answer.status >= 300:
            sys.exit(f"{method}: {answer.status} {said.decode()}")
        return {name.lower(): value for name, value in answer.getheaders()}, said


class Passing(Exception):
    """Ask again."""


def _slowly(body: bytes) -> Iterator[bytes]:
    """So that whoever kills meets something in the middle of it."""
    for at in range(0, len(body), BLOCK):
        yield body[at : at + BLOCK]
        time.sleep(0.001)


def main(protocol: str, url: str, path: str, file: str, seed: str) -> None:
    client = Client(url, path, Path(file).read_bytes(), random.Random(seed))
    until = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until:
        try:
            if client.step(protocol):
                return
        except Passing:
            time.sleep(0.02)
    sys.exit("it took too long")


if __name__ == "__main__":
    main(*sys.argv[1:])
