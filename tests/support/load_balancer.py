"""Real load balancers before real nodes, with the files of docs/nodes.md or packaging/; names and ports are ours."""

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from server import Server, eventually, free_port
from stillage.cli.server import certificate

ROOT = Path(__file__).parents[2]
PAGE, CONSOLE = ROOT / "docs" / "nodes.md", ROOT / "docs" / "console.md"
PACKAGING = ROOT / "packaging"
NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; user {user};
events {{}}
http {{ access_log off; include {folder}/stillage.conf; }}
"""


class LoadBalancer(Server):
    """Requests to it go to the nodes behind it."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder, tls=True)
        self.url = f"https://127.0.0.1:{port}"


@contextmanager
def load_balancer(
    kind: str,
    nodes: Sequence[Server],
    folder: Path,
    *,
    most_body: str = "0",
    below: str = "",
    keeps_path: bool = False,
    port: int = 0,
) -> Iterator[LoadBalancer]:
    """Run *kind*, ``nginx`` or ``haproxy``, before *nodes*.

    Args:
        most_body: The limit of nginx; 0 is none.
        below: ``/images`` if nginx has the nodes below that path, as docs/console.md says; empty for all of the host.
        keeps_path: nginx leaves that path on the requests.
        port: To listen at; 0 for one that is free.
    """
    port = port or free_port()
    text = adapted(documented(kind), nodes, folder, port)
    if below:
        text = below_path(text)
    if keeps_path:
        text = re.sub(r"(proxy_pass .*)/;", r"\1;", text)
    text = text.replace("client_max_body_size 0;", f"client_max_body_size {most_body};")
    arguments = {"nginx": ["-p", str(folder), "-c", "nginx.conf"], "haproxy": ["-db", "-f", "haproxy.cfg"]}
    (folder / {"nginx": "stillage.conf", "haproxy": "haproxy.cfg"}[kind]).write_text(text)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, user=Path.home().owner()))
    with _running(kind, arguments[kind], nodes, folder, port, below) as made:
        yield made


@contextmanager
def packaged_load_balancer(kind: str, nodes: Sequence[Server], folder: Path) -> Iterator[LoadBalancer]:
    """Run *kind* before *nodes* with the file of packaging/."""
    port = free_port()
    file = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg"}[kind]
    made = certificate_in(folder)
    names = {
        "/etc/nginx/tls/certificate.pem": str(made.chain),
        "/etc/nginx/tls/key.pem": str(made.key),
        "/etc/haproxy/tls/both.pem": str(folder / "tls" / "both.pem"),
        "listen 8443": f"listen 127.0.0.1:{port}",
        "bind :8443": f"bind 127.0.0.1:{port}",
    } | {f"node{number}:9292": "{}:{}".format(*node.address) for number, node in enumerate(nodes, 1)}
    text = (PACKAGING / file).read_text()
    for name, ours in names.items():
        text = text.replace(name, ours)
    (folder / file).write_text(text)
    ours = f"daemon off; pid {folder}/nginx.pid; user {Path.home().owner()};"
    nginx = ["-p", str(folder), "-e", "error.log", "-c", file, "-g", ours]
    with _running(kind, {"nginx": nginx, "haproxy": ["-db", "-f", file]}[kind], nodes, folder, port) as balancer:
        yield balancer


@contextmanager
def _running(
    kind: str, arguments: Sequence[str], nodes: Sequence[Server], folder: Path, port: int, below: str = ""
) -> Iterator[LoadBalancer]:
    program = shutil.which(kind, path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if program is None:
        pytest.fail(f"{kind} is missing; run scripts/system-packages", pytrace=False)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, *arguments], cwd=folder, stdout=log, stderr=log)
    try:
        eventually(lambda: process.poll() is not None or answers(port), f"{kind} listens")
        assert process.poll() is None, (folder / "log").read_text()
        made = LoadBalancer(folder, port)
        made.use_tokens_of(nodes[0])
        made.url += below
        eventually(lambda: made.call("GET", f"{below}/readyz").status == 200, f"{kind} has found a node")
        yield made
    finally:
        process.terminate()
        process.wait()


def documented(language: str, page: Path = PAGE) -> str:
    """Return the file that the page shows."""
    [text] = re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(text)


def below_path(text: str) -> str:
    """Return the file *text* for nginx with the lines that docs/console.md has for a server below a path."""
    for line in documented("nginx", CONSOLE).splitlines():
        if (begin := re.match(r"\s*(?:location|proxy_pass|proxy_set_header \S+) ", line)) is not None:
            text, count = re.subn(rf"^{re.escape(begin[0])}.*$", line.replace("\\", r"\\"), text, flags=re.MULTILINE)
            assert count == 1, line
    return text


def adapted(text: str, nodes: Sequence[Server], folder: Path, port: int) -> str:
    """Return *text* with this test's names in the place of the page's. Each of them must be there."""
    made = certificate_in(folder)
    names = {f"node{number}.example.net:9292": "{}:{}".format(*node.address) for number, node in enumerate(nodes, 1)}
    listens = "bind :443" if "bind :443" in text else "listen 443"
    names[listens] = listens.replace(":443", f"127.0.0.1:{port}").replace(" 443", f" 127.0.0.1:{port}")
    if "both.pem" in text:
        names["/etc/ssl/images.example.net/both.pem"] = str(folder / "tls" / "both.pem")
    else:
        names |= {"/etc/ssl/images.example.net/chain.pem": str(made.chain)}
        names |= {"/etc/ssl/images.example.net/key.pem": str(made.key)}
    for name, ours in names.items():
        assert name in text, name
        text = text.replace(name, ours)
    return text


def certificate_in(folder: Path) -> certificate.Certificate:
    """Make a certificate, and a file with it and its key."""
    made = certificate.ensure(folder / "tls", ["localhost", "127.0.0.1"])
    (folder / "tls" / "both.pem").write_bytes(made.chain.read_bytes() + made.key.read_bytes())
    return made


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True
