"""Get the uv that uv.lock pins, with nothing but the standard library: ``fetch_uv.py DESTINATION``.

A fresh Debian has neither pip nor the venv module, but a wheel is a zip file and uv a single binary inside. The lock
knows address and digest of each wheel. If the environment names another index than PyPI, the address comes from there
and the digest still from the lock.
"""

import hashlib
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
    links = re.findall(r'href="([^"#]+)', get(page).decode())
    for link in links:
        if urllib.parse.unquote(link).endswith(f"/{name}"):
            return urllib.parse.urljoin(page, str(link))
    raise LookupError(f"{page} does not list {name}")


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
        content: bytes = answer.read()
        return content


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
    index = next((os.environ[name] for name in INDEX_SETTINGS if os.environ.get(name)), None)
    if index:
        url = address_in(index, url.rpartition("/")[2])
    print(f"setup: getting uv from {url}", file=sys.stderr)
    wheel = get(url)
    if hashlib.sha256(wheel).hexdigest() != digest:
        raise ValueError(f"what {url} sent is not what uv.lock expects (SHA-256 {digest})")
    install(wheel, destination)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (OSError, LookupError, ValueError) as error:
        missing = "; install the package ca-certificates" if "CERTIFICATE_VERIFY_FAILED" in str(error) else ""
        sys.exit(f"setup: cannot get uv: {error}{missing}, or install uv yourself and run this again")
