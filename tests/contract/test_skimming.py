"""An inspection that reads only what the inspectors want has the verdict of one that reads everything."""

import os
from pathlib import Path

import pytest

from samples import entries, load
from stillage.client import local
from stillage.client.local import HOLE, Rules, inspect_file
from stillage.formats.base import Facts, Inspection, Region, Stream
from stillage.formats.safety import Declaration, Policy
from stillage.formats.verdict import Verdict

RULES = Rules(Policy(), frozenset())
# Of each format and verdict a few; to unpack all samples takes longer than to inspect them.
CHOSEN = [entry["file"] for entry in entries() if 8192 < entry["size"] < 5 << 20][::4]


def both(path: Path) -> tuple[Verdict, Verdict, int]:
    """The verdicts with and without reading everything, and how many bytes the second one read."""
    descriptor = os.open(path, os.O_RDONLY)
    read, pread = 0, os.pread

    def counted(of: int, length: int, at: int) -> bytes:
        nonlocal read
        data = pread(of, length, at)
        read += len(data)
        return data

    try:
        size = os.fstat(descriptor).st_size
        whole = inspect_file(descriptor, size, Declaration(), RULES, saw=lambda _start, _block: None)
        os.pread = counted
        return whole, inspect_file(descriptor, size, Declaration(), RULES), read
    finally:
        os.pread = pread
        os.close(descriptor)


@pytest.mark.parametrize("name", CHOSEN)
def test_a_sample_has_the_same_verdict(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "HOLE", bytes(64 << 10))
    monkeypatch.setattr(local, "BLOCK", 16 << 10)
    monkeypatch.setattr(local, "KEPT", 16 << 10)
    path = tmp_path / "image"
    path.write_bytes(load(name))
    whole, skimmed, _ = both(path)
    assert str(skimmed) == str(whole)


class StepsBack:
    """Wants bytes far behind, and then a few in front of them."""

    FORMAT = "raw"
    RULES = ()
    AT = 4 * len(HOLE)

    def inspect(self, _stream: Stream) -> Inspection:
        first = yield Region(self.AT, 10)
        before = yield Region(self.AT - 4000, 10)
        yield Facts("raw", details={"first": first.hex(), "before": before.hex()})


def test_an_inspector_that_steps_back_is_sent_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        for _ in range((StepsBack.AT >> 20) + 1):
            file.write(b"x" * (1 << 20))
    descriptor = os.open(path, os.O_RDONLY)
    try:
        verdict = inspect_file(descriptor, path.stat().st_size, Declaration(), RULES, formats=[StepsBack()])
    finally:
        os.close(descriptor)
    assert verdict.details == {"first": b"x".hex() * 10, "before": b"x".hex() * 10}


def test_what_nobody_waits_for_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        for _ in range(64):
            file.write(b"x" * (1 << 20))
    whole, skimmed, read = both(path)
    assert str(skimmed) == str(whole)
    assert read < 32 << 20
