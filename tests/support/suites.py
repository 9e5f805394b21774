"""Run a suite of OpenStack's against a real server, and report what it says. Any skip needs a reason that is known."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from clients import executable
from server import Server

STORES = """
[[stores]]
id = "fast"
type = "files"
path = "fast"
default = true

[[stores]]
id = "slow"
type = "files"
path = "slow"
"""


def two_stores(folder: Path, port: int = 0, **settings: Any) -> Server:
    """Return a server, not started, with two stores in *folder*. *port*: any free one, if 0."""
    (folder / "stillage.toml").write_text(STORES)
    arguments = ("--config", str(folder / "stillage.toml"), "--listen", f"127.0.0.1:{port}")
    return Server(folder / "data", arguments=arguments, **settings)


def add_person(server: Server, user: str, project: str, role: str) -> str:
    """Make a user with a role in a project, and the project if there is none; return their password."""
    if project not in server.cli("project", "list"):
        server.cli("project", "create", project)
    password = f"password-of-{user}"  # glanceclient's suite puts it into a command line as it is
    options = ("--project", project, "--role", role, "--password-stdin")
    server.cli("user", "create", user, *options, stdin=f"{password}\n")
    return password


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """Serve two small images, and yield the URL of their folder."""
    folder.mkdir()
    (folder / "disk.img").write_bytes(bytes(4096) + bytes(range(256)) * 64)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(folder / "disk.qcow2"), "1M"], check=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Write nothing."""


def run(environment: str, packages: Sequence[str], variables: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Run *packages* in an environment that `scripts/clients` makes; yield how many tests there are, then each."""
    script = Path(__file__).with_name("run_suite.py")
    python = executable(environment, "python")
    path = f"{Path(python).parent}:/usr/bin:/bin"
    command = [python, "-W", "ignore", str(script), *packages]
    folder = variables.get("HOME")  # where clients look for clouds.yaml
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": path, **variables},
        cwd=folder,
    ) as suite:
        assert suite.stdout
        for line in suite.stdout:
            if line.startswith("{"):
                yield json.loads(line)


def report(results: Sequence[Mapping[str, Any]], left_out: Mapping[str, str]) -> int:
    """Write what failed, what was left out and why, and the sums; return the exit status.

    *left_out*: parts of what is said of tests that are skipped, or of names of tests that fail, and why that is right.
    """
    head, *rest = results
    outcomes: Counter[str] = Counter()
    for result in rest:
        why = _why_left_out(result, left_out)
        outcome = (
            "left out" if why else "skipped without a reason" if result["outcome"] == "skipped" else result["outcome"]
        )
        outcomes[outcome] += 1
        if outcome != "passed":
            say(f"{outcome}: {result['test']}: {why or result['why']}")
    say(f"{head['tests']} tests: {', '.join(f'{count} {outcome}' for outcome, count in sorted(outcomes.items()))}")
    say("A class that is left out counts once.")
    return 0 if outcomes["passed"] and outcomes.keys() <= {"passed", "left out"} else 1


def _why_left_out(result: Mapping[str, Any], left_out: Mapping[str, str]) -> str | None:
    if result["outcome"] == "passed":
        return None
    where = "why" if result["outcome"] == "skipped" else "test"
    return next((why for part, why in left_out.items() if part in result[where]), None)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
