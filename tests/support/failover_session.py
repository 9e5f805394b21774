"""The session on docs/nodes.md: `stillage upload` through a load balancer to two nodes, one of which is killed.

``PYTHONPATH=tests/support .venv/bin/python -m failover_session`` runs it with PostgreSQL, SeaweedFS and HAProxy, and
prints what is typed and said. Names stand for addresses and ids, and N for numbers that differ from run to run.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import s3_server
from clients import Shells
from load_balancer import load_balancer
from node_stores import SharedBucket
from nodes import nodes_on, start_together
from postgres import postgres_server
from sending import Person
from server import COMMAND, MIB, Server, eventually

SIZE = 192 * MIB
KILLED_AT = 48 * MIB
UPLOAD = "stillage upload --disk-format raw --parallel 4 --limit-rate 32MiB disk.img"
COMPARE = 'curl -s -H "X-Auth-Token: $T" http://{}:9292/v2/images/ID/file | cmp - disk.img && echo the same'
VOLATILE = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\b\d+(\.\d+)? (s|MB|MB/s)(?=\W|$)"), r"N \2"),
)
PASSING = re.compile(r"disk\.img: (sending: .*|.*; trying again)")


class Session:
    """A shell in *folder*. What is typed and said is in `lines`."""

    def __init__(self, folder: Path, nodes: Sequence[Server], balancer: Server) -> None:
        self.lines: list[str] = []
        self._folder = folder
        self._nodes = nodes
        self._balancer = balancer
        self._write_clouds()

    def run(self) -> None:
        first, second = self._nodes
        (self._folder / "disk.img").write_bytes(os.urandom(510) + b"\x55\xaa" + os.urandom(SIZE - 512))
        self.lines.append(f"client$ {UPLOAD}")
        upload = self._started(*UPLOAD.split()[1:])
        image_id = eventually(lambda: self._image(second), "the image is there")
        eventually(lambda: self._received(second, image_id) > KILLED_AT, "a part of it has arrived")
        self.lines.append("node1$ kill -9 $(pgrep -f 'stillage serve')")
        first.kill()
        said, _ = upload.communicate(timeout=120)
        assert upload.returncode == 0, said
        self._tell(said)
        self.lines.append("node1$ stillage serve --config /etc/stillage/stillage.toml &")
        first.start()
        for number, node in enumerate(self._nodes, 1):
            self._type(COMPARE.format(f"node{number}"), {f"http://node{number}:9292": node.url, "ID": image_id})

    def _type(self, line: str, names: dict[str, str]) -> None:
        """Run *line*, in which *names* stand for something else."""
        self.lines.append(f"client$ {line}")
        for name, value in names.items():
            line = line.replace(name, value)
        variables = {**os.environ, "T": self._nodes[0].token()}
        done = subprocess.run(
            line, shell=True, cwd=self._folder, env=variables, check=True, capture_output=True, text=True
        )
        self._tell(done.stdout)

    def _started(self, *words: str) -> "subprocess.Popen[str]":
        person = Person(self._folder, Shells(self._folder), {"OS_CLOUD": "images"})
        return subprocess.Popen(
            [str(COMMAND), *words], cwd=self._folder, env=person.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def _write_clouds(self) -> None:
        cloud = next(node for node in self._nodes if "stillage" in node.clouds).clouds["stillage"]
        cloud["auth"]["auth_url"] = f"{self._balancer.url}/v3"
        cloud["cacert"] = str(self._balancer.data_folder / "tls" / "ca.pem")
        (self._folder / "clouds.yaml").write_text(json.dumps({"clouds": {"images": cloud}}))

    def _image(self, node: Server) -> str | None:
        images = node.api("GET", "/v2/images").json["images"]
        return str(images[0]["id"]) if images else None

    def _received(self, node: Server, image_id: str) -> int:
        uploads = node.api("GET", f"/v2/images/{image_id}/uploads").json
        return max((upload["received"] for upload in uploads.get("uploads", ())), default=0)

    def _tell(self, text: str) -> None:
        for pattern, name in VOLATILE:
            text = pattern.sub(name, text)
        self.lines += [line for line in text.splitlines() if not line.startswith("disk.img: sending")]


def recorded() -> list[str]:
    """Run the session; return its lines."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stillage-session-")))
        url = stack.enter_context(stack.enter_context(postgres_server()).migrated())
        store = SharedBucket(s3_server.settings(part_size=8 * MIB), folder)
        nodes = stack.enter_context(nodes_on(url, folder, 2, store=store, trusted_proxies="127.0.0.1"))
        start_together(nodes)
        (folder / "balancer").mkdir()
        balancer = stack.enter_context(load_balancer("haproxy", nodes, folder / "balancer"))
        session = Session(folder, nodes, balancer)
        session.run()
        return session.lines


def lasting(lines: Sequence[str]) -> list[str]:
    """Return *lines* without those that tell how the command met the death of the node: how often, and where."""
    return [line for line in lines if not PASSING.match(line)]


if __name__ == "__main__":
    sys.stdout.write("\n".join([*recorded(), ""]))
