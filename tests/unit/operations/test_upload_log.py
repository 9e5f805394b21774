import asyncio
import logging

import pytest

from stillage.errors import BodyIncomplete, StorageFull
from stillage.operations.upload.reception import _level_of


@pytest.mark.parametrize(
    ("failure", "level"),
    [
        (BodyIncomplete("the body was cut"), logging.INFO),
        (asyncio.CancelledError(), logging.WARNING),
        (StorageFull("no room left"), logging.ERROR),
        (RuntimeError("a defect"), logging.ERROR),
    ],
)
def test_the_log_is_as_loud_about_a_failed_upload_as_an_operator_can_help_it(
    failure: BaseException, level: int
) -> None:
    assert _level_of(failure) == level
