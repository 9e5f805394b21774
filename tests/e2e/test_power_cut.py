"""The power fails at any moment of uploads, deletions and sweeps: what is left is what the promises say.

A real server works while strace records what it asks the kernel for, and what it answers. Then the power fails after
every call, and what was not synced survives in part, in any order, or not at all (`power_cut.disk`). Of each
state that can be left a server starts, and promises 1 to 3 are checked. ``make power-cuts`` looks at far more states.
"""

import hashlib
import itertools
import os
import random
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from aftermath import OCTETS, begin
from power_cut import disk
from power_cut.disk import Choose, Disk, all_but, everything, none_but, nothing, some
from power_cut.recorder import Call, is_complete, read, traced
from power_cut.recovery import Recovery, lay_out
from power_cut.told import Informed, Told
from rude import WITH_LENGTH
from server import COMMAND, Answer, eventually
from stillage.db.clock import now
from stillage.spans import Span

pytestmark = [pytest.mark.xdist_group("power cut"), pytest.mark.thorough]  # of one recording

ALL = "STILLAGE_POWER_CUTS" in os.environ
# In memory where there is such a file system: what is looked at there has lost its power already.
QUICK = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
HOLE = 64 << 10
SHORT_AGE_S = 3
LOOKED_AT = ("stillage.db", "blobs/", "secret.key", "node-id")


def content(seed: int) -> bytes:
    """With holes, the last one at the end."""
    dice = random.Random(seed)
    return dice.randbytes(HOLE) + bytes(HOLE) + dice.randbytes(7000 + seed) + bytes(HOLE)


@dataclass(frozen=True)
class Recording:
    data_folder: Path
    calls: list[Call]
    told: Told
    began: datetime


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A server from its first start on, which is killed and started again, and ends as it should."""
    data_folder = tmp_path_factory.mktemp("power") / "data_folder"
    data_folder.mkdir()
    client, began = _Client(data_folder), now()
    try:
        client.before_the_kill()
        client.after_the_kill()
    finally:
        client.server.close()
    return Recording(data_folder, read(client.outputs), client.told, began)


class _Client:
    """Makes images, and notes what it is told of them and when."""

    def __init__(self, data_folder: Path) -> None:
        self.server = Informed(data_folder)
        self.outputs: list[Path] = []
        self.told = Told()

    def before_the_kill(self) -> None:
        self._start(upload_age_s=SHORT_AGE_S)
        self.left, self.expiring = self._create(1), self._create(2)
        self._upload(self._create(3))
        path = self._open(self.expiring)
        self._may_be(self.expiring, "queued", "saving")
        self._send(self.expiring, path, 0, HOLE, may_be_too_late=True)  # on a machine that is very busy
        opened = self.server.open_blobs()
        self._may_be(self.left, "queued", "saving")
        with begin(self.server, self.left, WITH_LENGTH, len(self.told.data[self.left])) as leaving:
            leaving.send(self.told.data[self.left][:100_000])
            eventually(lambda: self.server.open_blobs() - opened, "the upload has begun")
            self._end(signal.SIGKILL)

    def after_the_kill(self) -> None:
        self._start(sweep_interval_s=0.2)
        eventually(lambda: not [b for b in self.server.blobs() if b.endswith(".part")], "a sweep has removed its bytes")
        for image_id in (self.left, self.expiring):
            assert self.server.show(image_id)["status"] == "queued"
            self._may_be(image_id, "queued")
        self._upload(self.left)
        self._upload_in_pieces(self._create(4))
        self._prove(self._create(4))
        self._abandon(self._create(5))
        self._delete_while_saving(self._create(6))
        for image_id in (self.left, self.expiring):
            self._delete(image_id)
        self._end(signal.SIGTERM)

    def _start(self, **settings: object) -> None:
        self.outputs.append(self.server.data_folder.with_name(f"trace-{len(self.outputs)}"))
        self.server.command = traced((str(COMMAND),), self.outputs[-1])
        self.server.settings = settings
        self.server.start()

    def _end(self, number: signal.Signals) -> None:
        pid = self.server.pid
        self.server.run.end(number)
        eventually(lambda: is_complete(self.outputs[-1], pid), "the recording is complete")

    def _may_be(self, image_id: str, *statuses: str) -> None:
        self.told.is_one_of(self.server.answers, image_id, *statuses)

    def _answered(self, answer: Answer, status: int) -> Answer:
        assert answer.status == status, answer.body
        return answer

    def _create(self, seed: int) -> str:
        self.server.token()
        image_id = self.server.create()
        self.told.data[image_id] = content(seed)
        self._may_be(image_id, "queued")
        return image_id

    def _upload(self, image_id: str) -> None:
        self._may_be(image_id, "queued", "saving", "active")
        self._answered(self.server.upload(image_id, self.told.data[image_id]), 204)
        self._may_be(image_id, "active")

    def _open(self, image_id: str, **declared: Any) -> str:
        self._may_be(image_id, "queued", "saving")
        body = {"size": len(self.told.data[image_id]), **declared}
        self.opened = self._answered(self.server.api("POST", f"/v2/images/{image_id}/uploads", body), 201)
        self._may_be(image_id, "saving")
        return str(self.opened.json["url"])

    def _send(self, image_id: str, path: str, first: int, end: int, *, may_be_too_late: bool = False) -> Answer:
        data = self.told.data[image_id]
        headers = {"Content-Type": OCTETS, "Content-Range": f"bytes {first}-{end - 1}/{len(data)}"}
        answer = self.server.call("PUT", path, data[first:end], headers=headers)
        if may_be_too_late and answer.status == 410:
            return answer
        assert answer.status in (202, 204), answer.body
        self.told.counts(self.server.answers, image_id, Span(first, end))
        return answer

    def _upload_in_pieces(self, image_id: str) -> None:
        path, size = self._open(image_id), len(self.told.data[image_id])
        for first, end in ((2 * HOLE, size), (30_000, 2 * HOLE)):
            self._send(image_id, path, first, end)
        self._may_be(image_id, "saving", "active")
        assert self._send(image_id, path, 0, 30_000).status == 204
        self._may_be(image_id, "active")

    def _prove(self, image_id: str) -> None:
        data = self.told.data[image_id]
        path = self._open(image_id, digests={"sha512": hashlib.sha512(data).hexdigest()})
        asked = self.opened.json["proof"]
        ranges = [data[first : last + 1] for first, last in asked["ranges"]]
        digests = [hashlib.sha256(asked["nonce"].encode() + part).hexdigest() for part in ranges]
        self._may_be(image_id, "saving", "active")
        self._answered(self.server.api("POST", f"{path}/proof", {"nonce": asked["nonce"], "digests": digests}), 204)
        self._may_be(image_id, "active")

    def _abandon(self, image_id: str) -> None:
        path = self._open(image_id)
        self._send(image_id, path, 1000, HOLE)
        self._may_be(image_id, "saving", "queued")
        self._answered(self.server.call("DELETE", path), 204)
        self._may_be(image_id, "queued")

    def _delete_while_saving(self, image_id: str) -> None:
        self._send(image_id, self._open(image_id), 0, HOLE)
        self._delete(image_id, "saving")

    def _delete(self, image_id: str, *before: str) -> None:
        self._may_be(image_id, "deleted", "active", "queued", *before)
        self._answered(self.server.api("DELETE", f"/v2/images/{image_id}"), 204)
        self._may_be(image_id, "deleted")


def answers(call: Call) -> bool:
    return (
        call.name in ("write", "writev", "sendto", "sendmsg")
        and call.data.startswith(b"HTTP/1.1 ")
        and (not call.data.startswith(b"HTTP/1.1 1"))
    )


def is_ready(call: Call) -> bool:
    return call.name == "write" and call.descriptor == 1 and b"Stillage is ready" in call.data


def choices(dice: random.Random) -> list[Choose]:
    if not ALL:
        likely = {nothing: 0.2, everything: 0.1, some(dice): 0.2}
        return [choose for choose, chance in likely.items() if dice.random() < chance]
    one = [make(number) for number in range(6) for make in (all_but, none_but)]
    return [nothing, everything, *one, *[some(dice)] * 10]


def states(recording: Recording, *, from_ready: bool = True) -> Iterator[tuple[int, dict[str, bytes]]]:
    """Yield what a power cut can leave, each state once, with the number of answers that were given.

    *from_ready*: once the server has said that it is ready for the first time.
    """
    dice, power, seen = random.Random(3), Disk(recording.data_folder), set()
    told = [call.start for call in recording.calls if answers(call)]
    ready = next(call.start for call in recording.calls if is_ready(call))
    for time in disk.run(power, recording.calls, answers):
        if time < ready and from_ready:
            continue
        had = sum(when <= time for when in told)
        for choose in choices(dice):
            files = power.left(choose)
            state = (had, *((name, files[name]) for name in sorted(files) if name.startswith(LOOKED_AT)))
            if hash(state) not in seen:
                seen.add(hash(state))
                yield had, files


def sampled(found: Iterator[tuple[int, dict[str, bytes]]], count: int) -> list[tuple[int, dict[str, bytes]]]:
    """Return *count* of them, each as likely as the others. All together do not go into memory."""
    dice, kept = random.Random(5), list(itertools.islice(found, count))
    for number, state in enumerate(found, start=count):
        if (place := dice.randrange(number + 1)) < count:
            kept[place] = state
    return kept


async def test_after_a_power_cut_at_any_moment_the_promises_hold(recording: Recording) -> None:
    node_id = (recording.data_folder / "node-id").read_text()
    secret = (recording.data_folder / "secret.key").read_bytes()
    looked_at = 0
    with tempfile.TemporaryDirectory(dir=QUICK) as folder:
        recovery = Recovery(Path(folder) / "data_folder", recording.told, node_id, recording.began)
        for looked_at, (had, files) in enumerate(states(recording), start=1):
            broken = await recovery.broken(files, had)
            assert broken == [], f"state {looked_at}, after {had} answers"
            assert (files["node-id"], files["secret.key"]) == (node_id.encode(), secret)
        recovery.close()
    print(f"{looked_at} states")  # noqa: T201 - what `make power-cuts` shows
    assert looked_at > 200, "the power fails at every call"


def test_a_server_starts_on_what_a_power_cut_leaves(recording: Recording, tmp_path: Path) -> None:
    for number, (had, files) in enumerate(sampled(states(recording, from_ready=False), 40 if ALL else 1)):
        data_folder = tmp_path / str(number)
        lay_out(data_folder, files)
        server = Informed(data_folder)
        try:
            server.start()
            for image_id in recording.told.certain(had, "active"):
                assert server.download(image_id).body == recording.told.data[image_id]
        finally:
            server.close()
