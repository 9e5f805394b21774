"""`api.http.descriptors`: what is left of the process's limit, and how often the log says that it is little."""

import os
import resource
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from stillage.api.http.descriptors import Descriptors

LIMIT = 400


@pytest.fixture
def limit() -> Iterator[int]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, before[1]))
    try:
        yield LIMIT
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def taken() -> Iterator[list[int]]:
    """Descriptors that are closed at the end."""
    descriptors: list[int] = []
    try:
        yield descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def test_they_are_short_as_soon_as_the_reserve_begins_and_until_it_is_free_again(limit: int, taken: list[int]) -> None:
    descriptors = Descriptors()
    while not descriptors.are_short():
        taken.append(os.dup(0))
    assert taken[-1] == limit - 64 - 1
    os.close(taken.pop())
    assert not descriptors.are_short()
    while len(taken) < limit:
        try:
            taken.append(os.dup(0))
        except OSError:
            break
    assert descriptors.are_short()


def test_the_log_says_it_once_a_minute(limit: int, taken: list[int]) -> None:
    now = 1000.0
    descriptors = Descriptors(lambda: now)
    with capture_logs() as lines:
        assert not descriptors.are_short()
        assert lines == []
        while not descriptors.are_short():
            taken.append(os.dup(0))
        for seconds in (0.0, 30.0, 29.9, 0.1, 59.0, 1.0):
            now += seconds
            assert descriptors.are_short()
    assert [line["event"] for line in lines] == ["the limit of open files is reached; new connections wait"] * 3
    assert {line["limit"] for line in lines} == {limit}
