"""Run the image tests of tempest, in an environment of its own that `scripts/clients tempest` makes.

Writes a line of JSON for each test as it ends. tempest reads its settings from TEMPEST_CONFIG_DIR and TEMPEST_CONFIG.
"""

import json
import sys
import unittest
from pathlib import Path
from typing import Any

import tempest  # type: ignore[import-not-found]


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


def tests_below(folder: Path) -> unittest.TestSuite:
    top = Path(tempest.__file__).parents[1]
    return unittest.defaultTestLoader.discover(str(folder), top_level_dir=str(top))


if __name__ == "__main__":
    chosen = tests_below(Path(tempest.__file__).parent / "api" / "image")
    for module in sys.argv[1:]:
        chosen = unittest.defaultTestLoader.loadTestsFromNames([module])
    sys.stdout.write(json.dumps({"tests": chosen.countTestCases()}) + "\n")
    chosen.run(Lines())
