"""Prints what the differential test accepted and refused."""

from collections.abc import Iterator

import pytest

COLUMNS = ("accepted", "refused", "accepted as raw", "unopened")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = dict(_rows(terminalreporter))
    if not rows or not terminalreporter.config.option.markexpr:
        return
    terminalreporter.section("images that QEMU was asked about")
    terminalreporter.line("".join(["kind".ljust(14), *(column.rjust(17) for column in COLUMNS)]))
    for name, counts in rows.items():
        terminalreporter.line("".join([name.ljust(14), *(str(counts.get(c, 0)).rjust(17) for c in COLUMNS)]))


def _rows(terminalreporter: pytest.TerminalReporter) -> Iterator[tuple[str, dict[str, int]]]:
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "differential" and report.when == "call":
                yield value
