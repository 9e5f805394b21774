"""Conversions against qemu-img: ``python -m bench.disks [--data 512MiB] [--rounds 5] [--dir DIR] [--only NAME]``.

An ext4 file system with real files becomes an image of every format. Each pair is converted by qemu-img and by
`stillage convert` in turn; the figure is how many times faster ours is, by the medians of the wall times, with zlib and
with the extra ``fast``. For formats that qemu-img does not write it is MB of data for each CPU second. The default
folder is in memory, so that a disk is not what is measured.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.measuring import MIB, size_of

MEMORY = Path("/dev/shm")
OURS = "import sys; from stillage.cli.start import run; sys.argv[0] = 'stillage'; run()"
WITHOUT_FAST = f"import sys; sys.modules['isal'] = None; {OURS}"
FILES = ("/usr/bin", "/usr/lib", "/usr/share")
QEMU = {"vhd": ("vpc", "force_size=on"), "streamOptimized": ("vmdk", "subformat=streamOptimized")}
# As an installed command has it: our modules are compiled once.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
PARALLEL = ("-W",)  # the fastest way that it has


@dataclass(frozen=True)
class Pair:
    """One conversion, and how many times faster than qemu-img it should be.

    Attributes:
        bar: With zlib. Without qemu-img: MB of data for each CPU second.
        fast: With the extra, None if it changes nothing.
        larger: At most so many times the bytes of qemu-img's output: with zlib, with the extra.
    """

    source: str
    target: str
    bar: float
    fast: float | None = None
    larger: tuple[float, float] | None = None
    by_cpu: bool = False

    @property
    def name(self) -> str:
        return f"{self.source} → {self.target}"


PAIRS = (
    *(Pair(source, "raw", 0.85) for source in ("qcow2", "vdi", "vhd", "vhdx", "vmdk", "qed")),
    Pair("qcow2 zlib", "raw", 1.1),
    Pair("qcow2 zstd", "raw", 1.2),
    Pair("streamOptimized", "raw", 1.7),
    *(Pair("raw", target, 0.85) for target in ("qcow2", "vhd", "vdi", "vhdx", "qed")),
    Pair("raw", "vmdk", 1.5),
    Pair("raw", "qcow", 10),
    Pair("raw", "streamOptimized", 1.8, 10, (1.01, 1.12)),
    Pair("raw", "qcow2 zlib", 1.0, 5, (1.01, 1.10)),
    Pair("raw", "qcow2 zstd", 1.25, None, (1.01, 1.01)),
    Pair("streamOptimized", "qcow2 zlib", 20),
    Pair("raw", "zvhd", 15, 150, by_cpu=True),
    Pair("raw", "zvhd2", 70, by_cpu=True),
)


@dataclass(frozen=True)
class Run:
    """One run. *memory*: the most resident, but never less than this process has: a child begins with as much."""

    wall: float
    cpu: float
    memory: int
    size: int


@dataclass
class Row:
    """What came of a pair: *figure* and *fast* are times as fast as qemu-img, or MB for each CPU second.

    Attributes:
        cpu: How many times the CPU time of ours qemu-img takes: what counts on a machine that has more to do.
    """

    pair: Pair
    figure: float = 0.0
    fast: float | None = None
    larger: float | None = None
    larger_fast: float | None = None
    cpu: float | None = None
    memory: int = 0
    walls: dict[str, float] = field(default_factory=dict)

    @property
    def is_met(self) -> bool:
        pair, limits = self.pair, self.pair.larger
        met = self.figure >= pair.bar and (pair.fast is None or (self.fast or 0) >= pair.fast)
        if limits is not None:
            met &= (self.larger or 0) <= limits[0] and (self.larger_fast or 0) <= limits[1]
        return met


def timed(command: list[str | Path], output: Path) -> Run:
    output.unlink(missing_ok=True)
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=ENVIRONMENT) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: status {process.returncode}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, output.stat().st_size)


def qemu(source: str, input_: Path, target: str, output: Path) -> list[str | Path]:
    driver, compression = target.split(" ") if " " in target else (target, "")
    driver, option = QEMU.get(driver, (driver, ""))
    options = [option] if option else []
    if compression == "zstd":
        options.append("compression_type=zstd")
    words = ["-c", *PARALLEL] if compression else []
    words += ["-o", ",".join(options)] if options else []
    of_source = QEMU.get(source.split(" ", maxsplit=1)[0], (source.split(" ", maxsplit=1)[0],))[0]
    return ["qemu-img", "convert", "-f", of_source, "-O", driver, *words, input_, output]


def ours(source: Path, target: str, output: Path, *, fast: bool) -> list[str | Path]:
    name, compression = target.split(" ") if " " in target else (target, "")
    words = ["-O", "vmdk", "--subformat", name] if name == "streamOptimized" else ["-O", name]
    words += ["--compress", compression] if compression else []
    return [sys.executable, "-c", OURS if fast else WITHOUT_FAST, "convert", "--json", source, output, *words]


def filled(folder: Path, size: int) -> Path:
    """A raw disk with an ext4 file system of *size* bytes of the machine's own files, and as much free."""
    root, raw, left = folder / "root", folder / "raw", size
    for path in sorted(
        file for top in FILES for file in Path(top).rglob("*") if file.is_file() and not file.is_symlink()
    ):
        if 0 < path.stat().st_size <= left:
            copy = root / path.relative_to("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
            left -= path.stat().st_size
        if left < MIB:
            break
    with raw.open("wb") as file:
        file.truncate(2 * size)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, raw], check=True)
    shutil.rmtree(root)
    return raw


def measured(pair: Pair, images: dict[str, Path], folder: Path, rounds: int, data: int) -> Row:
    source, output = images[pair.source], folder / "out"
    commands = {"stillage": ours(source, pair.target, output, fast=False)}
    if pair.fast is not None:
        commands["fast"] = ours(source, pair.target, output, fast=True)
    if not pair.by_cpu:
        commands["qemu-img"] = qemu(pair.source, source, pair.target, output)
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(timed(command, output))
    output.unlink()
    return row_of(pair, runs, data)


def row_of(pair: Pair, runs: dict[str, list[Run]], data: int) -> Row:
    row = Row(pair, walls={name: median(run.wall for run in of_one) for name, of_one in runs.items()})
    row.memory = max(run.memory for name, of_one in runs.items() if name != "qemu-img" for run in of_one)
    if pair.by_cpu:
        speeds = {name: data / 1e6 / median(run.cpu for run in of_one) for name, of_one in runs.items()}
        row.figure, row.fast = speeds["stillage"], speeds.get("fast")
        return row
    floor = row.walls["qemu-img"]
    row.figure = floor / row.walls["stillage"]
    sizes = {name: of_one[0].size / runs["qemu-img"][0].size for name, of_one in runs.items()}
    row.larger = sizes["stillage"]
    best = "fast" if "fast" in runs else "stillage"
    row.cpu = median(run.cpu for run in runs["qemu-img"]) / median(run.cpu for run in runs[best])
    if "fast" in row.walls:
        row.fast, row.larger_fast = floor / row.walls["fast"], sizes["fast"]
    return row


def rows(folder: Path, size: int, rounds: int, only: str) -> Iterator[Row]:
    raw = filled(folder, size)
    data = raw.stat().st_blocks * 512
    images = {"raw": raw}
    for pair in PAIRS:
        if only not in pair.name:
            continue
        if pair.source not in images:
            images[pair.source] = folder / pair.source.replace(" ", "-")
            timed(qemu("raw", raw, pair.source, images[pair.source]), images[pair.source])
        yield measured(pair, images, folder, rounds, data)


def shown(rows_: list[Row]) -> Table:
    table = Table(
        "conversion", "times qemu-img", "aim", "with fast", "aim", "CPU", "size", "aim", "memory", "", box=None
    )
    for row in rows_:
        pair = row.pair
        unit = " MB/CPU s" if pair.by_cpu else ""
        sizes = [f"{size:.3f}" for size in (row.larger, row.larger_fast) if size is not None]
        table.add_row(
            pair.name,
            f"{row.figure:.2f}{unit}",
            f"{pair.bar:g}",
            "" if row.fast is None else f"{row.fast:.2f}{unit}",
            "" if pair.fast is None else f"{pair.fast:g}",
            "" if row.cpu is None else f"{row.cpu:.2f}",
            " / ".join(sizes),
            "" if pair.larger is None else " / ".join(f"{limit:g}" for limit in pair.larger),
            f"{row.memory // MIB} MiB",
            "" if row.is_met else "MISSED",
        )
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=size_of, default=512 * MIB)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, default=MEMORY if MEMORY.is_dir() else None)
    parser.add_argument("--only", default="", help="pairs with this in their name, such as 'raw → qcow2'")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    done = []
    with tempfile.TemporaryDirectory(dir=arguments.dir) as folder:
        for row in rows(Path(folder), arguments.data, arguments.rounds, arguments.only):
            done.append(row)
            print(
                f"{row.pair.name}: {row.figure:.2f} {row.fast or ''} CPU {row.cpu} {row.walls}",
                file=sys.stderr,
                flush=True,
            )
    if arguments.json:
        print(json.dumps([asdict(row) for row in done]))
    else:
        Console(width=140).print(shown(done))
    return 0 if all(row.is_met for row in done) else 1


if __name__ == "__main__":
    sys.exit(main())
