"""Reads packaging/Containerfile, and does what its steps say in a folder that stands for the container's root."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE = ROOT / "packaging" / "Containerfile"
PATHS = re.compile(r"(?<![\w./])/(opt/stillage|wheels|data)\b")
"""What the steps name of the container's own; anything else in it is the machine's."""


def steps() -> Iterator[tuple[str, str]]:
    """Yield each instruction, and what stands behind it."""
    text = re.sub(r"^#.*\n", "", FILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    for line in filter(None, map(str.strip, text.splitlines())):
        instruction, _, rest = line.partition(" ")
        yield instruction, rest.strip()


@dataclass
class Container:
    """*root*: stands for ``/``. *files*: what the build has in place of those in the repository, by their pattern."""

    root: Path
    files: Mapping[str, Path]
    environment: dict[str, str]
    words: dict[str, str] = field(default_factory=dict)

    def build(self) -> None:
        for instruction, rest in steps():
            match instruction:
                case "RUN":
                    self.run("/bin/sh", "-ec", self.placed(rest))
                case "COPY":
                    self._copy(*rest.split())
                case "ENV":
                    named = re.findall(r"(\w+)=(\S+)", self.placed(rest))
                    self.environment |= {k: v.replace("$PATH", self.environment["PATH"]) for k, v in named}
                case _:
                    self.words[instruction] = rest

    def run(self, *words: str) -> None:
        done = subprocess.run(
            words, env=self.environment, capture_output=True, text=True, check=False, timeout=600, cwd=self.root
        )
        assert done.returncode == 0, f"{words[-1]}: {done.stdout}{done.stderr}"

    def placed(self, text: str) -> str:
        """Return *text* with the container's paths as those of the folder."""
        return PATHS.sub(lambda found: str(self.root / found[1]), text)

    def _copy(self, *words: str) -> None:
        if words[0].startswith("--from="):
            assert words[1] == words[2]  # both stages have one root here
            return
        source, target = self.files.get(words[0], ROOT / words[0]), Path(self.placed(words[1]))
        target.parent.mkdir(parents=True, exist_ok=True)
        if words[1].endswith("/"):
            target.mkdir(exist_ok=True)
        shutil.copy(source, target)
