"""Log lines are written in order, and none is lost."""

import json
import subprocess
import sys
from functools import partial
from io import StringIO

from server import eventually
from stillage.cli.log_lines import MOST, LogLines

ENDING = """
import structlog
from stillage.cli import logs
logs.configure("json", "info")
for number in range(2000):
    structlog.get_logger().info("line", number=number)
"""


def numbers(written: str) -> list[int]:
    return [json.loads(line)["number"] for line in written.splitlines()]


def is_written(file: StringIO, expected: list[int]) -> bool:
    return numbers(file.getvalue()) == expected


def test_a_warning_is_written_at_once_after_what_came_before() -> None:
    file = StringIO()
    lines = LogLines(file, json.dumps)
    lines.info({"number": 1})
    lines.info({"number": 2})
    lines.warning({"number": 3})
    assert numbers(file.getvalue()) == [1, 2, 3]


def test_other_lines_are_written_a_moment_later() -> None:
    file = StringIO()
    lines = LogLines(file, json.dumps)
    for written in ([1], [1, 2], [1, 2, 3]):
        lines.info({"number": written[-1]})
        eventually(partial(is_written, file, written), "the line is written")


def test_no_more_than_so_many_lines_wait() -> None:
    file = StringIO()
    lines = LogLines(file, json.dumps)
    lines._is_scheduled = True  # a thread that is never there
    for number in range(MOST + 1):
        lines.info({"number": number})
    assert numbers(file.getvalue()) == list(range(MOST + 1))


def test_a_process_that_ends_has_written_everything() -> None:
    ended = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, check=True)
    assert numbers(ended.stderr) == list(range(2000))
