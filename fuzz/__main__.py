"""``python -m fuzz [--seconds N] [FORMAT …]``: fuzz the inspector of each format, and all together (``all``).

``disk-FORMAT`` fuzzes the reader of its disk.

A finding is written to ``fuzz/findings``; ``python -m fuzz --replay FILE`` shows it again and
``--unpack FILE`` writes the image that it stands for. A finding becomes a test.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from fuzz.packing import Unpacked, unpack
from fuzz.promises import keep
from fuzz.reading import keep_reading
from fuzz.repairing import repair

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
FINDINGS = HERE / "findings"
LONGEST = 64 << 10
DISK = "disk-"
NAMES = (
    "raw", "iso", "qcow", "qcow2", "qed", "vmdk", "vhd", "vhdx", "vdi", "zvhd", "zvhd2", "ploop", "foreign", "all",
    *(f"{DISK}{name}" for name in ("qcow", "qcow2", "qed", "vmdk", "vhd", "vhdx", "vdi", "zvhd", "zvhd2")),
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help=f"of {', '.join(NAMES)}; default: every one")
    parser.add_argument("--seconds", type=int, default=60, help="for each format")
    parser.add_argument("--work", type=Path, help="folder in which the corpus grows; forgotten when not given")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run one finding without the fuzzer")
    parser.add_argument("--unpack", type=Path, metavar="FILE", help="write FILE.image, which can be inspected")
    given = parser.parse_args()
    if given.unpack:
        image = _image(given.unpack)
        given.unpack.with_suffix(".image").write_bytes(image.piece(0, len(image)))
        return 0
    if given.replay:
        name = given.replay.name
        if name.startswith(DISK):
            keep_reading(_image(given.replay), name.split("-")[1])
        else:
            keep(_image(given.replay))
        return 0
    if unknown := set(given.formats) - set(NAMES):
        parser.error(f"there is no format {', '.join(sorted(unknown))}")
    return max(_fuzz(name, given.seconds, given.work) for name in given.formats or NAMES)


def _fuzz(name: str, seconds: int, work: Path | None) -> int:
    # One process for each: libFuzzer ends the process that it runs in.
    FINDINGS.mkdir(exist_ok=True)
    corpus = CORPUS / name.removeprefix(DISK)
    folders = [str(corpus)] if corpus.is_dir() else [str(folder) for folder in CORPUS.iterdir()]
    if work is not None:
        grown = work / name
        grown.mkdir(parents=True, exist_ok=True)
        folders.insert(0, str(grown))
    else:
        folders.insert(0, _scratch(name))
    print(f"=== {name}, {seconds} s", flush=True)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST}",
        f"-artifact_prefix={FINDINGS}/{name}-",
        "-timeout=30",
        "-rss_limit_mb=1024",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    return subprocess.run([sys.executable, "-m", "fuzz.target", name, *options, *folders], check=False).returncode


def _image(finding: Path) -> Unpacked:
    image = unpack(finding.read_bytes())
    repair(image)
    return image


def _scratch(name: str) -> str:
    return tempfile.mkdtemp(prefix=f"fuzz-{name}-")


if __name__ == "__main__":
    sys.exit(main())
