"""Where events go: whatever happens there, nobody who writes one is held up."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from stillage.audit import queued
from stillage.audit.file import AuditFile
from stillage.audit.webhook import BATCH, Webhook
from stillage.errors import BadSettings, Unavailable
from stillage.peers import Reply


class Receiver:
    """A `Peer` that keeps what it is sent, and answers as it is told; 0 is no answer."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.batches: list[list[dict[str, Any]]] = []
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        self.asked += 1
        await self.open.wait()
        assert (method, path, headers["Content-Type"]) == ("POST", "", "application/json")
        status = self.statuses.pop(0) if self.statuses else 204
        if status == 0:
            raise Unavailable("no answer")
        if status < 300:
            self.batches.append(json.loads(body or b""))
        return Reply(status, {}, b"")

    @property
    def numbers(self) -> list[int]:
        return [event["number"] for batch in self.batches for event in batch]


class Lost:
    """Counts what was dropped."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, count: int) -> None:
        self.count += count


@pytest.fixture
def lost() -> Lost:
    return Lost()


@asynccontextmanager
async def hook(receiver: Receiver, lost: Lost, waiting: int = 1000) -> AsyncIterator[Webhook]:
    made = Webhook(receiver, dropped=lost, first_pause_s=0, waiting=waiting)
    yield made
    await made.close()


async def test_the_webhook_gets_everything_in_order(lost: Lost) -> None:
    receiver = Receiver()
    async with hook(receiver, lost) as sink:
        for number in range(3 * BATCH + 1):
            await sink.write({"number": number})
    assert receiver.numbers == list(range(3 * BATCH + 1))
    assert all(len(batch) <= BATCH for batch in receiver.batches)
    assert lost.count == 0


@pytest.mark.parametrize("status", [0, 500, 503, 429, 408])
async def test_what_fails_now_is_sent_again(lost: Lost, status: int) -> None:
    receiver = Receiver(status, status, 200)
    async with hook(receiver, lost) as sink:
        await sink.write({"number": 1})
    assert receiver.numbers == [1]
    assert lost.count == 0


@pytest.mark.parametrize("status", [400, 401, 404, 302])
async def test_what_is_refused_is_dropped_and_counted(lost: Lost, status: int) -> None:
    receiver = Receiver(status)
    async with hook(receiver, lost) as sink:
        await sink.write({"number": 1})
        while not lost.count:  # noqa: ASYNC110 - a number wakes nobody
            await asyncio.sleep(0)
        await sink.write({"number": 2})
    assert receiver.numbers == [2]
    assert lost.count == 1


async def test_who_writes_never_waits_and_what_is_too_much_is_counted(
    lost: Lost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queued, "LAST_S", 0.01)
    receiver = Receiver()
    receiver.open.clear()
    async with hook(receiver, lost, waiting=10) as sink:
        await sink.write({"number": 0})
        while not receiver.asked:  # noqa: ASYNC110 - a number wakes nobody
            await asyncio.sleep(0)
        for number in range(1, 16):
            await sink.write({"number": number})
        assert lost.count == 5
    assert lost.count == 16  # the rest, since the server stops


async def test_a_file_gets_whole_lines_from_several_writers(tmp_path: Path, lost: Lost) -> None:
    path = tmp_path / "audit.jsonl"
    sinks = [AuditFile(path, dropped=lost) for _ in range(4)]
    writes = [sink.write({"number": number, "text": "x" * 500}) for number in range(50) for sink in sinks]
    await asyncio.gather(*writes)
    for sink in sinks:
        await sink.close()
    numbers = [json.loads(line)["number"] for line in path.read_text().splitlines()]
    assert sorted(numbers) == sorted(list(range(50)) * 4)
    assert lost.count == 0


async def test_a_file_that_was_moved_or_removed_is_made_again(tmp_path: Path, lost: Lost) -> None:
    path = tmp_path / "audit.jsonl"
    sink = AuditFile(path, dropped=lost)
    for number in range(3):
        await sink.write({"number": number})
        assert json.loads(path.read_text()) == {"number": number}
        path.rename(tmp_path / f"audit.{number}") if number else path.unlink()
    await sink.close()


async def test_a_file_that_cannot_be_written_fails_no_request(tmp_path: Path, lost: Lost) -> None:
    sink = AuditFile(tmp_path / "audit.jsonl", dropped=lost)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, sink._descriptor)
    (tmp_path / "audit.jsonl").unlink()
    (tmp_path / "audit.jsonl").symlink_to("/dev/full")
    await sink.write({"number": 1})
    assert lost.count == 1
    (tmp_path / "audit.jsonl").unlink()
    await sink.write({"number": 2})
    assert json.loads((tmp_path / "audit.jsonl").read_text()) == {"number": 2}
    await sink.close()
    os.close(full)


def test_a_file_that_cannot_be_opened_is_told_at_the_start(tmp_path: Path, lost: Lost) -> None:
    with pytest.raises(BadSettings, match=r"cannot write audit_file"):
        AuditFile(tmp_path / "nowhere" / "audit.jsonl", dropped=lost)
