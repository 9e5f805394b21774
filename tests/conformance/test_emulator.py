"""The examples of docs/emulator.md, in a pytest of their own with the fixtures that come with Stillage."""

import os
import re
import subprocess
import sys
from pathlib import Path

from clients import TIMEOUT_S, executable

PAGE = Path(__file__).parents[2] / "docs" / "emulator.md"


def test_the_examples_run_as_they_are(tmp_path: Path) -> None:
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for number, example in enumerate(examples):
        (tmp_path / f"test_example_{number}.py").write_text(example)
    (tmp_path / "conftest.py").write_text(f"import sys\n\nsys.path += {_paths()!r}\n")
    (tmp_path / "temporary").mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "PYTEST_"))}
    environment |= {"TMPDIR": str(tmp_path / "temporary"), "HOME": str(tmp_path), "STILLAGE_LISTEN": "not.an.address"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-c", os.devnull, "."],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    left = [path.name for path in (tmp_path / "temporary").iterdir() if not path.name.startswith("pytest-of-")]
    assert left == [], "the server has left something"


def test_pytest_does_not_pay_for_the_plugin() -> None:
    asked = "import sys, pytest; had = {*sys.modules}; import stillage.pytest_plugin; print(*set(sys.modules) - had)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    assert set(done.stdout.split()) - {"stillage", "stillage.pytest_plugin"} <= {"json", "json.decoder", "json.encoder"}


def _paths() -> list[str]:
    """Where the clients are: behind what Stillage needs itself, so that server and pytest are of this environment."""
    return [
        str(path)
        for name in ("openstacksdk", "huaweicloud")
        for path in Path(executable(name, "python")).parent.parent.glob("lib/python*/site-packages")
    ]
