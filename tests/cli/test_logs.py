"""The log tells everything but secrets."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from stillage.cli.logs import configure  # itself: the fixture of this folder replaces it for commands


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

    configure(log_format, "info")
    try:
        fail("gst1" + "secret")
    except ZeroDivisionError as error:
        structlog.get_logger().error("internal error", exc_info=error)
        logging.getLogger("elsewhere").error("the same", exc_info=error)
    logged = capsys.readouterr().err
    assert logged.count("ZeroDivisionError") >= 2
    assert "test_logs.py" in logged
    assert "gst1secret" not in logged


def test_a_line_for_people_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    configure("console", "info")
    logger = structlog.get_logger()
    logger.info("request", method="GET", path="/v2/images", status=200, seconds=0.002, peer="::1", request_id="req-1")
    logger.error("disk is gone", store="files")
    request, error = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d GET /v2/images 200 2 ms ::1 *", request)
    assert re.fullmatch(r"\d\d:\d\d:\d\d \[error\] disk is gone +store=files", error)


@pytest.mark.parametrize(("why", "number"), [("plain", 1), ("plain", 2**70), ("C1 \x9b", 1), ("unpaired \ud800", 1)])
def test_a_line_for_machines_is_ascii_and_says_what_was_said(
    why: str, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("json", "info")
    structlog.get_logger().error("disk is gone", why=why, number=number, path=Path("/x"))
    line = capsys.readouterr().err
    assert line.isascii()
    said = json.loads(line)
    assert (said["event"], said["why"], said["number"], said["path"]) == (
        "disk is gone",
        why,
        number,
        "PosixPath('/x')",
    )
