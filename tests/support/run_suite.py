"""Run tests of OpenStack's own projects, in an environment of their own that `scripts/clients` makes.

    run_suite.py PACKAGE … : everything in these packages, or single tests by their names

Writes a line of JSON for each test as it ends.
"""

import json
import sys
import unittest
from importlib import import_module
from pathlib import Path
from typing import Any


class Lines(unittest.TestResult):
    """Writes each result at once: a run that hangs shows where."""

    def say(self, test: unittest.TestCase, outcome: str, why: str = "") -> None:
        sys.stdout.write(json.dumps({"test": test.id(), "outcome": outcome, "why": why}) + "\n")
        sys.stdout.flush()

    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802 - the name is unittest's
        self.say(test, "passed")

    def addError(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        self.say(test, "failed", self.text_of(test, err))

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        self.say(test, "failed", self.text_of(test, err))

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802
        self.say(test, "skipped", reason)

    def text_of(self, test: unittest.TestCase, err: Any) -> str:
        super().addError(test, err)
        return self.errors.pop()[1]


def tests_of(name: str) -> unittest.TestSuite:
    """Return the tests in a package and below, or those that *name* names."""
    try:
        package = import_module(name)
    except ImportError:
        package = None
    if package is None or not hasattr(package, "__path__"):
        return unittest.defaultTestLoader.loadTestsFromName(name)
    folder = Path(next(iter(package.__path__)))
    top = folder.parents[name.count(".")]
    return unittest.defaultTestLoader.discover(str(folder), top_level_dir=str(top))


if __name__ == "__main__":
    chosen = unittest.TestSuite(map(tests_of, sys.argv[1:]))
    sys.stdout.write(json.dumps({"tests": chosen.countTestCases()}) + "\n")
    chosen.run(Lines())
