"""Keeps a self-signed certificate for the names that the server listens on. Clients trust it through ``ca.pem``.

Nobody can sign another with its authority. When the names change, or the certificate expires soon, both are made again.
"""

import ipaddress
import json
import ssl
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from stillage.stores.files.disk import write_whole

RENEW_BEFORE = timedelta(days=30)
NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME: a clock that was set back does not make the certificate useless."""


class Certificate:
    """The three files of a certificate in *folder*."""

    def __init__(self, folder: Path) -> None:
        self.authority = folder / "ca.pem"
        self.chain = folder / "cert.pem"
        self.key = folder / "key.pem"

    def is_good_for(self, names: Sequence[str], now: datetime) -> bool:
        """Whether a client that trusts the authority would accept it, under each of *names*."""
        if not all(path.is_file() for path in (self.authority, self.chain, self.key)):
            return False
        try:
            shown = self._shown_to_a_client()
        except ssl.SSLError:  # such as the key of one start beside the chain of another, which was killed
            return False
        known = (name for kind, name in shown["subjectAltName"] if kind in ("DNS", "IP Address"))
        end = datetime.fromtimestamp(ssl.cert_time_to_seconds(shown["notAfter"]), UTC)
        return _comparable(known) >= _comparable(names) and end > now + RENEW_BEFORE

    def _shown_to_a_client(self) -> dict[str, Any]:
        """Do a TLS handshake in memory: a library that parses certificates is large, and few starts make one."""
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(self.chain, self.key, password="")
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = False
        client.verify_flags |= NO_CHECK_TIME
        client.load_verify_locations(self.authority)
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        ours = client.wrap_bio(to_client, to_server)
        theirs = server.wrap_bio(to_server, to_client, server_side=True)
        for side in (ours, theirs):  # a hello, then the answer with the certificate
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
        ours.do_handshake()
        return ours.getpeercert() or {}


def ensure(folder: Path, names: Sequence[str], *, now: datetime | None = None) -> Certificate:
    """Return the certificate in *folder*. Make a new one unless it is valid for all *names* (hosts and addresses)."""
    now = now or datetime.now(UTC)
    certificate = Certificate(folder)
    if not certificate.is_good_for(names, now):
        made = _certify(names, now)
        folder.mkdir(mode=0o700, exist_ok=True)
        for path in (certificate.key, certificate.authority, certificate.chain):
            write_whole(path, made[path.name].encode())
    return certificate


def _certify(names: Sequence[str], now: datetime) -> dict[str, str]:
    """Return the files of a new certificate, by name. Made in a process that ends: its library takes 12 MiB."""
    # Without the current folder among those of modules, as with the command itself.
    command = [sys.executable, "-P", "-m", "stillage.cli.server.authority"]
    asked = json.dumps({"names": [*names], "now": now.isoformat()})
    done = subprocess.run(command, input=asked, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - our own module
    files: dict[str, str] = json.loads(done.stdout)
    return files


def _comparable(names: Iterable[str]) -> set[object]:
    return {_address_or_name(name) for name in names}


def _address_or_name(name: str) -> object:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return name
