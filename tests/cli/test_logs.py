"""The log tells everything but secrets."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from stillage.cli import logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    handlers, level = logging.root.handlers, logging.root.level
    yield
    logging.root.handlers, logging.root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_traceback_does_not_show_the_values_of_variables(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(token: str) -> None:
        raise ZeroDivisionError(f"a token of {len(token)} characters")

    logs.configure(log_format, "info")
    try:
        fail("gst1" + "secret")
    except ZeroDivisionError as error:
        structlog.get_logger().error("internal error", exc_info=error)
        logging.getLogger("elsewhere").error("the same", exc_info=error)
    logged = capsys.readouterr().err
    assert logged.count("ZeroDivisionError") >= 2
    assert "test_logs.py" in logged
    assert "gst1secret" not in logged
