"""What starting costs: ``python -m bench.starting [--rounds 9] [--json]``.

CPU time of the commands, as multiples of what importing typer and rich takes in the same interpreter and run, and of
`stillage serve` until its first 200, on a new folder and on one that is there, with the memory of a worker at rest.
Of a server for tests, until it is ready.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from bench.measuring import MIB
from bench.targets import cpu_seconds, memory

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from server import COMMAND, Server  # noqa: E402 - needs the path

FLOOR = (sys.executable, "-c", "import typer, rich")
RATIO_BAR = 3.0
SERVE_BAR_S = 1.0
MEMORY_BAR = 80 * MIB
RESTS_AFTER_S = 2.0


def cpu_of(command: tuple[str, ...]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def commands(folder: Path, rounds: int) -> dict[str, float]:
    """Return the median CPU seconds of each command, measured in turn. The floor is called ``floor``."""
    file = folder / "disk.raw"
    file.write_bytes(bytes(MIB))
    asked = {"floor": FLOOR} | {
        words: (str(COMMAND), *words.replace("FILE", str(file)).split())
        for words in ("--help", "--version", "inspect FILE", "upload --help")
    }
    seconds: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(rounds):
        for name, command in asked.items():
            seconds[name].append(cpu_of(command))
    return {name: median(measured) for name, measured in seconds.items()}


def serve(folder: Path, workers: int, *, tls: bool) -> dict[str, Any]:
    """Return CPU seconds until the first 200 and bytes at rest: of the process, or of the largest worker beside it."""
    server = Server(folder, tls=tls, arguments=("--workers", str(workers))).start()
    try:
        answer = server.call("GET", "/healthz")
        pid = server.pid
        cpu = cpu_seconds(pid)
        assert answer.status == 200, answer
        time.sleep(RESTS_AFTER_S)
        resting = max(map(memory, server.workers if workers > 1 else [pid]))
    finally:
        server.close()
    return {"cpu": cpu, "memory": resting}


def serve_ephemeral(folder: Path) -> dict[str, Any]:
    """Return the same of a server for tests, which says itself when it is ready."""
    ready = folder / "ready.json"
    words = ("serve", "--ephemeral", "--ends-with-stdin", "--ready-file", str(ready))
    null = subprocess.DEVNULL
    with subprocess.Popen((str(COMMAND), *words), stdin=subprocess.PIPE, stdout=null, stderr=null) as process:
        while not ready.exists():
            assert process.poll() is None, "it did not start"
            time.sleep(0.01)
        cpu = cpu_seconds(process.pid)
        time.sleep(RESTS_AFTER_S)
        return {"cpu": cpu, "memory": memory(process.pid)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.starting", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="of which the median is taken; default: 9")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stillage-bench-") as name:
        seconds = commands(Path(name), args.rounds)
        data_folder = Path(name) / "data_folder"
        serving = {
            "a new folder": serve(data_folder, 1, tls=False),
            "one worker": serve(data_folder, 1, tls=False),
            "a new certificate": serve(data_folder, 1, tls=True),
            "one worker, TLS": serve(data_folder, 1, tls=True),
            "two workers": serve(data_folder, 2, tls=False),
            "ephemeral": serve_ephemeral(Path(name)),
        }
    floor = seconds.pop("floor")
    ratios = {command: taken / floor for command, taken in seconds.items()}
    if args.json:
        print(json.dumps({"floor": floor, "ratios": ratios, "serve": serving}))
        return 0
    print(f"CPU of commands, of python -c 'import typer, rich' ({floor * 1e3:.0f} ms)")
    for command, ratio in ratios.items():
        print(f"  stillage {command:<16} {ratio:5.2f} < {RATIO_BAR:g}{'' if ratio <= RATIO_BAR else '  MISSED'}")
    print("stillage serve: CPU until the first 200, and a worker's memory at rest")
    for case, row in serving.items():
        too_large = row["memory"] >= MEMORY_BAR and case != "ephemeral"
        missed = too_large or (row["cpu"] > SERVE_BAR_S and case != "two workers")
        print(f"  {case:<17} {row['cpu']:6.2f} s {row['memory'] / MIB:6.1f} MiB{'  MISSED' if missed else ''}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
