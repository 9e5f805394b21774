"""Get the uv that uv.lock pins, with nothing but the standard library: ``fetch_uv.py DESTINATION``.

A fresh Debian has neither pip nor the venv module, but a wheel is a zip file and uv a single binary inside. The lock
knows address and digest of each wheel. If the environment names another index than PyPI, the address comes from there
and the digest still from the lock.
"""

import base64
import hashlib
import html
import http.client
import io
import os
import platform
import re
import sys
import tomllib
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

INDEX_SETTINGS = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
TIMEOUT_S = 60


def wheel_for_this_machine(lock: Path) -> tuple[str, str]:
    """Return address and SHA-256 of uv's wheel."""
    packages = tomllib.loads(lock.read_text())["package"]
    wheels = next(package for package in packages if package["name"] == "uv")["wheels"]
    system = "macosx" if sys.platform == "darwin" else "manylinux" if platform.libc_ver()[0] == "glibc" else "musllinux"
    kind = re.compile(rf"{system}_[0-9_]+_{platform.machine()}\b")
    for wheel in wheels:
        url, digest = str(wheel["url"]), str(wheel["hash"])
        if kind.search(url):
            return url, digest.removeprefix("sha256:")
    raise LookupError(f"there is no uv for {system} on {platform.machine()}")


def address_in(index: str, name: str) -> str:
    """Return where *index* (PEP 503) keeps the file called *name*."""
    page = f"{index.rstrip('/')}/uv/"
    for link in re.findall(r'href="([^"#]+)', get(page).decode()):
        address = urllib.parse.urljoin(page, html.unescape(link))
        if urllib.parse.urlsplit(address).path.endswith(f"/{name}"):
            return address
    raise LookupError(f"{host_of(index)} does not list {name}")


def get(url: str) -> bytes:
    parts = urllib.parse.urlsplit(url)
    request = urllib.request.Request(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl())
    # A company's index is often named with a login, which urllib would take for a part of the host.
    if parts.username:
        login = urllib.parse.unquote(f"{parts.username}:{parts.password or ''}")
        request.add_header("Authorization", f"Basic {base64.b64encode(login.encode()).decode()}")
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        content: bytes = answer.read()
        return content


def host_of(url: str) -> str:
    """Return the host alone: a login in *url* is not for logs."""
    return urllib.parse.urlsplit(url).hostname or url


def install(wheel: bytes, destination: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        inside = next(name for name in archive.namelist() if name.endswith(".data/scripts/uv"))
        binary = archive.read(inside)
    destination.parent.mkdir(parents=True, exist_ok=True)
    # Renamed into place, so that an interrupted run leaves no half of a program behind.
    unfinished = destination.with_suffix(".part")
    unfinished.write_bytes(binary)
    unfinished.chmod(0o755)
    unfinished.rename(destination)


def main(destination: Path) -> None:
    url, digest = wheel_for_this_machine(Path(__file__).parent.parent / "uv.lock")
    name = url.rpartition("/")[2]
    index = next((os.environ[name] for name in INDEX_SETTINGS if os.environ.get(name)), None)
    try:
        if index:
            url = address_in(index, name)
        print(f"setup: getting {name} from {host_of(url)}", file=sys.stderr)
        wheel = get(url)
    except (OSError, http.client.HTTPException) as error:
        hint = "install ca-certificates" if "CERTIFICATE_VERIFY_FAILED" in str(error) else "check network and proxy"
        raise OSError(f"{host_of(index or url)}: {error}; {hint}") from error
    if hashlib.sha256(wheel).hexdigest() != digest:
        raise ValueError(f"the file from {host_of(url)} does not have the SHA-256 in uv.lock, {digest}")
    install(wheel, destination)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (OSError, LookupError, ValueError) as error:
        sys.exit(f"setup: cannot get uv: {error}, or install uv yourself, and run this again")
