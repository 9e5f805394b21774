"""``python -m bench [NAME …]``: measure, and print a table."""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.measuring import MIB, Bench, Rate, Row, size_of
from bench.scenarios import SCENARIOS, title_of
from bench.targets import Targets

SHARED_MEMORY = Path("/dev/shm")
# The most that is ever there: four images, or one four times as large, and what they are made of.
IMAGES_AT_ONCE = 5
WIDTH = 140  # of the table where there is no terminal


def folder_for(size: int) -> Path:
    """Memory, where the disk is no part of what is measured, if there is twice as much as needed; else a disk."""
    needed = 2 * IMAGES_AT_ONCE * size
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if SHARED_MEMORY.is_dir() and min(free, shutil.disk_usage(SHARED_MEMORY).free) >= needed:
        return SHARED_MEMORY
    return Path(tempfile.gettempdir())


def environment(folder: Path, size: int, rounds: int) -> dict[str, Any]:
    return {
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "folder": str(folder),
        "file_system": _file_system(folder),
        "image_size": size,
        "rounds": rounds,
        "load_at_start": round(os.getloadavg()[0], 1),
    }


def _file_system(folder: Path) -> str:
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    holding = [mount for mount in mounts if folder.resolve().is_relative_to(mount[1])]
    return max(holding, key=lambda mount: len(mount[1]))[2]


def table_of(rows: dict[str, Row]) -> Table:
    table = Table("scenario", title_justify="left")
    for name in ("Stillage MB/s", "CPU s/GiB", "floor MB/s", "CPU s/GiB", "CPU ratio", "figure", "bar"):
        table.add_column(name, justify="right")
    table.add_column("")
    for name, row in rows.items():
        speed = [*_cells(row.stillage), *_cells(row.floor), "" if row.cpu_ratio is None else f"{row.cpu_ratio:.2f}"]
        verdict = "[green]ok[/]" if row.is_good else "[red]missed[/]"
        note = f"\n[dim]{row.note}[/]" if row.note else ""
        table.add_row(title_of(SCENARIOS[name]) + note, *speed, _figure(row), _bar(row), verdict)
    return table


def _cells(rate: Rate | None) -> tuple[str, str]:
    return ("", "") if rate is None else (f"{rate.mb_per_s:,.0f}", f"{rate.cpu:.2f}")


def _figure(row: Row) -> str:
    return f"{row.figure:,.0f} {row.unit}" if row.unit else f"{row.figure:.2f}"


def _bar(row: Row) -> str:
    bars = [f"{'≤' if row.at_most else '≥'} {row.bar:g} {row.unit}".rstrip()]
    if row.cpu_ratio_bar is not None:
        bars.append(f"CPU ≤ {row.cpu_ratio_bar:.2f}")
    if row.cpu_bar is not None:
        bars.append(f"CPU ≤ {row.cpu_bar:.2f} s/GiB")
    return "\n".join(bars)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *SCENARIOS], metavar="NAME", help=", ".join(SCENARIOS))
    parser.add_argument("--size", type=size_of, default=512 * MIB, help="of an image; default: 512MiB")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median is taken; default: 5")
    parser.add_argument("--seconds", type=float, default=3, help="of asking for small things, each round; default: 3")
    parser.add_argument(
        "--dir", type=Path, help="default: /dev/shm if large enough, else the folder for temporary files"
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    around = environment(args.dir or folder_for(args.size), args.size, args.rounds)
    console = Console(stderr=args.json)
    if not console.is_terminal:
        console.width = WIDTH
    console.print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in around.items()))
    rows: dict[str, Row] = {}
    with (
        tempfile.TemporaryDirectory(prefix="stillage-bench-", dir=around["folder"]) as folder,
        Targets(Path(folder)) as targets,
    ):
        bench = Bench(targets, Path(folder), args.size, args.rounds, args.seconds)
        for name in args.names or SCENARIOS:
            with console.status(title_of(SCENARIOS[name])):
                rows[name] = SCENARIOS[name](bench)
    if args.json:
        json.dump(
            {"environment": around, "scenarios": {n: _document(r) for n, r in rows.items()}}, sys.stdout, indent=2
        )
    else:
        console.print(table_of(rows))


def _document(row: Row) -> dict[str, Any]:
    return {**asdict(row), "ok": row.is_good}


if __name__ == "__main__":
    main()
