"""Ids of audit events sort by their times."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from stillage.audit.event_ids import event_id, first_id

TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2500, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(TIMES, st.integers(1, 10**12))
def test_later_events_have_greater_ids(time: datetime, later: int) -> None:
    first, second = event_id(time), event_id(time + timedelta(microseconds=later))
    assert first < second
    assert first_id(time) <= first < first_id(time + timedelta(microseconds=later)) <= second


@given(TIMES)
def test_an_id_is_a_uuid_of_version_7_and_no_two_are_equal(time: datetime) -> None:
    made = {event_id(time) for _ in range(5)}
    assert len(made) == 5
    assert {UUID(text).version for text in made} == {7}
