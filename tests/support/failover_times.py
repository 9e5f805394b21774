"""``make failover-times``: how long clients wait when one of two nodes is killed, which share a bucket.

Settings are the default ones. All waits are those of clients of the node that is left. The first line is for
comparison: on a busy machine everything takes longer.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import s3_server
from aftermath import begin
from node_stores import SharedBucket
from nodes import nodes_on, start_together
from postgres import postgres_server
from resuming import DATA, document, opened, piece_head, send_piece
from rude import WITH_LENGTH, Rude
from server import MIB, Server, eventually

HALF = len(DATA) // 2
LEASE_S, SWEEP_S = 60.0, 60.0
"""As in docs/settings.md."""
NEXT_PIECE_S, VERDICT_S = 1.0, 15.0


def piece(_: Server, other: Server) -> float:
    """Return how long a piece takes while nobody dies."""
    _image_id, path = opened(other)
    begun = time.monotonic()
    assert send_piece(other, path, HALF, DATA[HALF : HALF + 1000]).status == 202
    return time.monotonic() - begun


def next_piece(dying: Server, other: Server) -> float:
    """Kill a node in the middle of a piece; return how long the next one takes at another."""
    _, path = opened(dying)
    with Rude(dying) as client:
        client.send(piece_head(path, 0, HALF, content_length=str(HALF)), DATA[:MIB])
        eventually(lambda: document(other, path)["received"] > 0, "some of it counts")
        dying.kill()
    begun = time.monotonic()
    assert send_piece(other, path, HALF, DATA[HALF : HALF + 1000]).status == 202
    return time.monotonic() - begun


def verdict(dying: Server, other: Server) -> float:
    """Kill a node that verifies; return how long the verdict takes that another then reaches."""
    _, path = opened(dying)
    assert send_piece(dying, path, 0, DATA[:HALF]).status == 202
    eventually(lambda: document(other, path)["verified"] > 0, "the node verifies what it has")
    dying.kill()
    begun = time.monotonic()
    assert send_piece(other, path, HALF, DATA[HALF:]).status == 204
    return time.monotonic() - begun


def queued(dying: Server, other: Server) -> float:
    """Kill a node in the middle of a plain upload; return after how long its image waits for the next one."""
    image_id = dying.create()
    with begin(dying, image_id, WITH_LENGTH, MIB) as client:
        client.send(DATA[:1000])
        other.await_status(image_id, "saving")
        dying.kill()
        begun = time.monotonic()
        eventually(lambda: other.show(image_id)["status"] == "queued", "it is queued", within_s=LEASE_S + 2 * SWEEP_S)
    return time.monotonic() - begun


MEASURES: tuple[tuple[str, Callable[[Server, Server], float], float], ...] = (
    ("with both, a piece is accepted in", piece, 0),
    ("a node dies: the next piece is accepted in", next_piece, NEXT_PIECE_S),
    ("a node dies: the verdict is there in", verdict, VERDICT_S),
    ("a node dies: the image of a plain upload is queued in", queued, LEASE_S + 1.2 * SWEEP_S),
)


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stillage-failover-")))
        url = stack.enter_context(stack.enter_context(postgres_server()).migrated())
        store = SharedBucket(s3_server.settings(), folder)
        dying, other = stack.enter_context(nodes_on(url, folder, 2, store=store))
        start_together([dying, other])
        missed = 0
        for what, measure, bar_s in MEASURES:
            took_s = measure(dying, other)
            missed += took_s > bar_s > 0
            sys.stdout.write(f"{what} {took_s:.2f} s{f', at most {bar_s:g} s' if bar_s else ''}\n")
            sys.stdout.flush()
            if not dying.is_running:
                dying.start()
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
