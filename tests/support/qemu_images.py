"""Makes disk images with qemu-img, which serves as a test oracle for images that the test itself made."""

import json
import shutil
import subprocess
from pathlib import Path

from examining import examine
from stillage.formats.safety import Declaration, Policy, refusal


def run(*command: str | Path) -> str:
    """Run qemu-img or qemu-io and return what it prints. A missing program is a failed test, not a skipped one."""
    name = str(command[0])
    assert shutil.which(name), f"{name} is needed here; install Debian's qemu-utils"
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def virtual_size(path: Path, driver: str) -> int:
    info = json.loads(run("qemu-img", "info", "--output=json", "-f", driver, path))
    return int(info["virtual-size"])


def inspected(path: Path, disk_format: str) -> tuple[str | None, int | None]:
    """Why Stillage refuses the image at *path*, and the virtual size that it finds."""
    data = path.read_bytes()
    cuts = range(1 << 20, len(data), 1 << 20)
    findings = examine(data, cuts=cuts, size=len(data))
    refused = refusal(findings, Declaration(disk_format), Policy())
    sizes = [facts.virtual_size for facts in findings.matched if facts.format == disk_format]
    return (f"{refused.rule}: {refused}" if refused else None), sizes[0] if sizes else None


def contents(path: Path, size: int) -> None:
    """Write a raw disk of *size* bytes with runs of data, repeats and holes to *path*."""
    with path.open("wb") as disk:
        disk.truncate(size)
        for number, at in enumerate(range(0, max(1, size - 70_000), max(1, size // 7))):
            disk.seek(at)
            noise = bytes((number * 131 + i * i * 7 + i // 251) % 256 for i in range(4096))
            disk.write((noise * 16)[: max(0, min(65_536, size - at))])
