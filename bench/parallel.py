"""``python -m bench.parallel``: an upload over one connection and over four, on a long and narrow path.

The path is a proxy in a process of its own: each connection has 50 Mbit/s, and a byte and its answer take 100 ms. What
is compared is what `stillage upload` takes for a file, from the inspection to the verified image.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bench.measuring import size_of

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from server import COMMAND, Server  # noqa: E402 - needs the path

MIB = 1 << 20
DELAY_S = 0.05  # one way
RATE = 50e6 / 8
BAR = 3.5
CONNECTIONS = 4


@contextmanager
def path_to(port: int) -> Iterator[int]:
    command = [sys.executable, str(ROOT / "tests" / "support" / "slow_path.py"), "--to", str(port)]
    with subprocess.Popen(
        [*command, "--delay-s", str(DELAY_S), "--rate", str(RATE)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def upload(folder: Path, server: Server, port: int, size: int, connections: int) -> float:
    """Send new bytes, so that none of them are known to the server; return the seconds."""
    disk = folder / "disk.raw"
    with disk.open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
    auth = {f"OS_{name.upper()}": value for name, value in server.clouds["stillage"]["auth"].items()}
    far = f"http://127.0.0.1:{port}"
    environment = os.environ | auth | {"XDG_STATE_HOME": str(folder / "state")}
    environment |= {"OS_AUTH_URL": f"{far}/identity/v3", "OS_IMAGE_ENDPOINT_OVERRIDE": far}
    command = [str(COMMAND), "upload", "--json", "--parallel", str(connections), str(disk)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    view: dict[str, Any] = json.loads(done.stdout)
    assert view["way"] == "pieces", view
    assert view["sent"] == size, view
    return float(view["seconds"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.parallel", description=__doc__)
    parser.add_argument("--size", type=size_of, default=256 * MIB, help="of the image; default: 256MiB")
    parser.add_argument("--rounds", type=int, default=1, help="of which the median is taken; default: 1")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stillage-bench-") as name:
        folder = Path(name)
        server = Server(folder / "home").start()
        try:
            with path_to(server.address[1]) as port:
                seconds = {
                    count: median(upload(folder, server, port, args.size, count) for _ in range(args.rounds))
                    for count in (1, CONNECTIONS)
                }
        finally:
            server.close()
    ratio = seconds[1] / seconds[CONNECTIONS]
    if args.json:
        print(json.dumps({"size": args.size, "seconds": seconds, "ratio": ratio, "bar": BAR}))
        return 0
    rates = {count: args.size / 1e6 / taken for count, taken in seconds.items()}
    print(f"upload of {args.size // MIB} MiB, 100 ms and 50 Mbit/s for each connection")
    for count, taken in seconds.items():
        print(f"  {count} connection{'s' if count > 1 else ' '} {taken:8.2f} s {rates[count]:8.1f} MB/s")
    print(f"  ratio {ratio:.2f} > {BAR:g}{'' if ratio >= BAR else '  MISSED'}")
    return 0 if ratio >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
