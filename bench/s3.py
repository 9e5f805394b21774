"""A bucket against the file store and against s5cmd, in one run: ``python -m bench.s3 [--size 256MiB] [--json]``.

SeaweedFS is started for it, on the same cores, so wall times are the machine's; CPU and memory are ours.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.client import Job
from bench.measuring import GIB, MIB, run_client, size_of
from bench.targets import Setup, StillageTarget, cpu_seconds, peak_memory, reset_peak_memory

MANY = 50
MADE: Any = None
"""No certificate: they serve without TLS."""
BARS = {
    "upload: CPU s/GiB above files": 1.5, "upload: MiB of one": 80, "upload: MiB of 50 at once": 600,
    "download: CPU s/GiB": 1.0, "download: requests/GiB": 8,
    "resumable: server's CPU, of plain": 2.1, "resumable: s to the verdict": 2.0,
}  # fmt: skip


class S3Bench:
    """A node on a bucket and one on files, and the server of the bucket."""

    def __init__(self, folder: Path, size: int) -> None:
        sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
        import s3_server  # noqa: PLC0415 - it is the tests'

        self._size = size
        self._folder = folder
        settings = s3_server.settings()
        os.environ |= {"AWS_ACCESS_KEY_ID": s3_server.ACCESS, "AWS_SECRET_ACCESS_KEY": s3_server.SECRET}
        self.url, self.name = str(settings.endpoint), settings.bucket
        self._prefix = settings.prefix
        self.bucket = self._node_on(self.url, folder / "bucket")
        self.files = StillageTarget(folder / "files", Setup(), MADE)
        self.server = _process_named("weed", s3_server.endpoint())
        self.source = folder / "source"
        self.source.write_bytes(os.urandom(min(size, 64 * MIB)))

    def _node_on(self, endpoint: str, folder: Path) -> StillageTarget:
        table = {"id": "s3", "type": "s3", "bucket": self.name, "prefix": self._prefix}
        table |= {"endpoint": endpoint, "region": "us-east-1"}
        file = folder.with_suffix(".toml")
        lines = [f"{name} = {json.dumps(value)}" for name, value in table.items()]
        file.write_text("\n".join(["[[stores]]", *lines, "sign_payload = false", ""]))
        return StillageTarget(folder, Setup(), MADE, arguments=("--config", str(file)))

    def close(self) -> None:
        self.bucket.stop()
        self.files.stop()

    def run(self) -> Mapping[str, float]:
        figures = {"upload: MiB of one": self._memory(1, self._size)}
        plain, plain_server = self._cpu(self.bucket, lambda path: self._put(self.bucket, [path], self._size))
        files, _ = self._cpu(self.files, lambda path: self._put(self.files, [path], self._size))
        figures["upload: CPU s/GiB above files"] = plain - files
        figures["upload: MiB of 50 at once"] = self._memory(MANY, 32 * MIB)
        figures["download: CPU s/GiB"] = self._download()
        verdict: list[float] = []
        _, server = self._cpu(self.bucket, lambda path: verdict.append(self._resumable(path)))
        figures["resumable: server's CPU, of plain"] = server / plain_server
        figures["resumable: s to the verdict"] = verdict[0]
        figures |= self._requests()
        figures |= self._against_s5cmd()
        return figures

    def _requests(self) -> Mapping[str, float]:
        """Return how many requests the server of the bucket gets for each GiB, from a node that asks it by a proxy."""
        from rude_s3 import RudeS3  # noqa: PLC0415 - it is the tests'

        proxy = RudeS3(self.url)
        with proxy.running() as url:
            node = self._node_on(url, self._folder / "counted")
            try:
                path = node.new_image()
                proxy.asked.clear()
                self._put(node, [path], self._size)
                up = len(proxy.asked)
                run_client(Job(node.port, False, "GET", [path], node.headers, self._size))
                down = len(proxy.asked) - up
                node.delete(path)
            finally:
                node.stop()
        return {
            "upload: requests/GiB": up / self._size * GIB,
            "download: requests/GiB": down / self._size * GIB,
        }

    def _cpu(self, target: StillageTarget, send: Callable[[str], object]) -> tuple[float, float]:
        """Return the CPU seconds for each GiB of the node, and of the bucket's server."""
        path = target.new_image()
        node, server = cpu_seconds(target.pid), cpu_seconds(self.server)
        send(path)
        used = cpu_seconds(target.pid) - node, cpu_seconds(self.server) - server
        target.delete(path)
        return used[0] / self._size * GIB, used[1] / self._size * GIB

    def _put(self, target: StillageTarget, paths: list[str], size: int) -> float:
        job = Job(target.port, tls=False, verb="PUT", paths=paths, headers=target.headers, size=size)
        return run_client(Job(**{**vars(job), "source": str(self.source)})).seconds

    def _memory(self, count: int, size: int) -> float:
        """Return by how many MiB *count* uploads raise the memory of the node; of many, all that it has."""
        paths = [self.bucket.new_image() for _ in range(count)]
        reset_peak_memory(self.bucket.pid)
        before = peak_memory(self.bucket.pid) if count == 1 else 0
        self._put(self.bucket, paths, size)
        peak = peak_memory(self.bucket.pid)
        for path in paths:
            self.bucket.delete(path)
        return (peak - before) / MIB

    def _download(self) -> float:
        path = self.bucket.new_image()
        self._put(self.bucket, [path], self._size)
        before = cpu_seconds(self.bucket.pid)
        run_client(Job(self.bucket.port, False, "GET", [path], self.bucket.headers, self._size))
        used = cpu_seconds(self.bucket.pid) - before
        self.bucket.delete(path)
        return used / self._size * GIB

    def _resumable(self, path: str) -> float:
        """Send an upload that may be resumed; return the seconds from its last byte to the answer."""
        with socket.create_connection(("127.0.0.1", self.bucket.port)) as connection, self.source.open("rb") as file:
            headers = self.bucket.headers | {"Content-Length": str(self._size), "Upload-Complete": "?1"}
            lines = [f"PUT {path} HTTP/1.1", "Host: here", *(f"{name}: {value}" for name, value in headers.items())]
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            length, left = self.source.stat().st_size, self._size
            while left:
                at = (self._size - left) % length
                left -= os.sendfile(connection.fileno(), file.fileno(), at, min(left, length - at))
            last, answer = time.monotonic(), b""
            while b" 204 " not in answer:
                if not (data := connection.recv(65536)):
                    raise ConnectionError(answer.decode(errors="replace"))
                answer += data
            return time.monotonic() - last

    def _against_s5cmd(self) -> Mapping[str, float]:
        """Return our part of its speed, with the same parts and as many at once; nothing if it is not installed."""
        command = shutil.which("s5cmd", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        if command is None:
            return {}
        image = self._folder / "image"
        with image.open("wb") as file:
            while file.tell() < self._size:
                file.write(self.source.read_bytes())
        line = [command, "--endpoint-url", self.url, "cp", "--part-size", "8", "--concurrency", "3"]
        ratios = []
        for _ in range(3):
            begun = time.monotonic()
            subprocess.run([*line, str(image), f"s3://{self.name}/s5cmd"], check=True, capture_output=True)
            theirs = time.monotonic() - begun
            path = self.bucket.new_image()
            ratios.append(theirs / self._put(self.bucket, [path], self._size))
            self.bucket.delete(path)
        return {"upload: speed, of s5cmd's": sorted(ratios)[1]}


def _process_named(name: str, url: str) -> int:
    port = url.rpartition(":")[2]
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (folder / "cmdline").read_bytes().split(b"\0")
            if line[0].endswith(name.encode()) and f"-s3.port={port}".encode() in line:
                return int(folder.name)
    raise RuntimeError(f"{name} does not run")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.s3", description=__doc__)
    parser.add_argument("--size", type=size_of, default=256 * MIB, help="of an image; default: 256MiB")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stillage-bench-") as folder:
        bench = S3Bench(Path(folder), args.size)
        try:
            figures = bench.run()
        finally:
            bench.close()
    if args.json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        bar = f"   bar {BARS[name]:g}" if name in BARS else "   bar 0.9 at least" if "s5cmd" in name else ""
        print(f"{name:36} {figure:8.2f}{bar}")


if __name__ == "__main__":
    main()
