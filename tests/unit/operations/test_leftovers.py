import pytest
from structlog.testing import capture_logs

from stillage.errors import StillageError, StoreFailed, Unavailable
from stillage.operations.leftovers import leave_to_sweep


@pytest.mark.parametrize(
    ("error", "level"),
    [(Unavailable("the database is busy"), "warning"), (StoreFailed("the disk is broken"), "error")],
)
def test_a_passing_outage_is_a_warning_with_its_reason(error: StillageError, level: str) -> None:
    with capture_logs() as lines:
        leave_to_sweep("a blob could not be removed", error, key="k1")
    event = "a blob could not be removed; a sweep tries again"
    assert lines == [{"event": event, "log_level": level, "why": str(error), "key": "k1"}]
