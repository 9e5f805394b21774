"""The console's modules that need no browser, run by Node's own test runner where Node is there."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from running import TIMEOUT_S

MODULES = Path(__file__).parent / "modules"
NEEDED = (20, 19)
"""The first version of Node that imports modules without being told that they are such."""


def why_not() -> str | None:
    """Return why these tests cannot run here."""
    node = shutil.which("node")
    if node is None:
        return "there is no Node here; CI has it"
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    found = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    return None if found >= NEEDED else f"Node {version.strip()} is too old; 20.19 is needed"


def test_the_modules_of_uploads_and_pictures_decide_as_they_say() -> None:
    if (why := why_not()) is not None:
        pytest.skip(why)
    files = sorted(map(str, MODULES.glob("*.test.mjs")))
    done = subprocess.run(["node", "--test", *files], capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stdout + done.stderr
