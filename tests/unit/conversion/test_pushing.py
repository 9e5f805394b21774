import pytest

from stillage.conversion.pushing import Pushing
from stillage.write_back import PUSH_EVERY


class Heard:
    def __init__(self) -> None:
        self.stages: list[tuple[str, int, int]] = []
        self.done = 0

    def begin(self, what: str, total: int, done: int = 0) -> None:
        self.stages.append((what, total, done))

    def advance(self, count: int) -> None:
        self.done += count


def test_the_file_is_pushed_whenever_enough_of_the_disk_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    pushed: list[tuple[int, int, int]] = []
    monkeypatch.setattr("stillage.conversion.pushing.push", lambda *call: pushed.append(call))
    heard = Heard()
    pushing = Pushing(heard, 7)
    pushing.begin("writing", 3 * PUSH_EVERY)
    for _ in range(5):
        pushing.advance(PUSH_EVERY // 2)
    assert pushed == [(7, 0, 0)] * 2
    assert (heard.stages, heard.done) == ([("writing", 3 * PUSH_EVERY, 0)], PUSH_EVERY // 2 * 5)
