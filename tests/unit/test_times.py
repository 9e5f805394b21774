import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from stillage import times

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def elsewhere() -> Iterator[None]:
    """The machine is not in UTC."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    "text", ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05", "2026-01-02T05:04:05+02:00", "2026-01-02T03:04:05.000000Z"]
)
def test_a_time_is_read_in_any_offset_and_without_one_as_utc(text: str) -> None:
    assert times.parse(text) == MOMENT
    assert times.parse(text).tzinfo is UTC


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"isoformat|month"):
        times.parse(text)


def test_a_time_is_written_in_utc() -> None:
    assert times.to_seconds(times.parse("2026-01-02T05:04:05+02:00")) == "2026-01-02T03:04:05Z"
    assert times.to_microseconds(MOMENT) == "2026-01-02T03:04:05.000000Z"
