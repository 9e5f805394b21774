from stillage.client.phases import SENDING, WAITING, Phases
from stillage.client.progress import Unit


class Noted:
    def __init__(self) -> None:
        self.begun: list[tuple[str, int]] = []
        self.advanced: list[int] = []

    def say(self, sentence: str) -> None:
        raise AssertionError(sentence)

    def begin(self, what: str, total: int, done: int = 0, *, unit: Unit = "bytes") -> None:
        assert (total, unit) == (10, "bytes")
        self.begun.append((what, done))

    def advance(self, count: int) -> None:
        self.advanced.append(count)


def test_the_wait_for_the_verdict_is_a_stage_of_its_own_and_sending_again_ends_it() -> None:
    noted = Noted()
    phases = Phases(noted, 10, 4)
    phases.advance(3)
    phases.advance(3)
    assert noted.begun == [(SENDING, 4), (WAITING, 0)]
    phases.advance(-2)
    phases.advance(2)
    assert noted.begun[2:] == [(SENDING, 8), (WAITING, 0)]
    assert noted.advanced == [3, 3, 2]
