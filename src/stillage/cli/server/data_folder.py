"""The data folder: what the first start makes in it, and what every start checks.

DIR/stillage.db     the database, unless another is set
DIR/blobs/          images
DIR/tls/            the self-signed certificate
DIR/secret.key      the node's secret
DIR/node-id         names this node in leases
DIR/lock            held while a server, or a worker of it, runs on this folder
DIR/processes       names them
DIR/clouds.yaml     for OpenStack clients, with the passwords of `demo` and `admin`
"""

import secrets
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import structlog
import yaml

from stillage.config import SECRET_BYTES, Settings, address_of
from stillage.errors import BadSettings
from stillage.stores.files.disk import make_folder, write_whole

if TYPE_CHECKING:
    from stillage.cli.server.certificate import Certificate

log = structlog.get_logger()

WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not listened on
CLOUDS = {"stillage": "demo", "stillage-admin": "admin"}


class DataFolder:
    """One data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clouds = folder / "clouds.yaml"

    def prepare(self) -> None:
        """Make the folder if it is not there, and close it and all state in it to everybody but its owner.

        Raises:
            BadSettings: If it cannot be made or written.
        """
        try:
            self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            make_folder(self.folder)
            self.folder.chmod(0o700)
        except OSError as error:
            raise BadSettings(f"the data folder {self.folder} cannot be used: {error.strerror}") from error
        self._close_to_others()

    def _close_to_others(self) -> None:
        """Take from others what an earlier start, or who restored a copy, left open to them.

        Blobs are left alone, of which there may be millions: they were always made for their owner, and their folders
        are closed.
        """
        kept = [*self.folder.iterdir(), *self.folder.glob("tls/*"), *self.folder.glob("metrics/*")]
        for path in [*kept, *self.folder.glob("blobs/[0-9a-f][0-9a-f]")]:
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode) or not mode & 0o077:
                continue  # what a link leads to is the operator's
            try:
                path.chmod(stat.S_IMODE(mode) & 0o700)
            except PermissionError:
                log.warning("others may read a file of the data folder, and it is not ours to close", path=str(path))

    def node_id(self) -> str:
        return self._kept("node-id", uuid4().hex[:16].encode()).decode()

    def make_secret(self) -> None:
        self._kept("secret.key", secrets.token_bytes(SECRET_BYTES))

    def certificate(self, settings: Settings) -> "Certificate":
        from stillage.cli.server import certificate  # noqa: PLC0415 - what it needs is large, and plain HTTP needs none of it

        return certificate.ensure(self.folder / "tls", names_of(settings))

    def write_clouds(self, settings: Settings, passwords: dict[str, str]) -> None:
        """Bring clouds.yaml up to date: the URL of this start, and *passwords* where they are known.

        A password that is not in *passwords* is kept as it stands there; only its hash is anywhere else.
        """
        known = self._read_clouds()
        clouds = {
            cloud: self._cloud(settings, user, passwords.get(user) or _password(known, cloud))
            for cloud, user in CLOUDS.items()
        }
        others = {name: cloud for name, cloud in known.get("clouds", {}).items() if name not in CLOUDS}
        self._write_clouds({**known, "clouds": {**clouds, **others}})

    def change_password(self, user: str, password: str) -> None:
        """Put the new password of *user* into clouds.yaml, if he is there."""
        known = self._read_clouds()
        for cloud in (name for name, of in CLOUDS.items() if of == user and _password(known, name)):
            known["clouds"][cloud]["auth"]["password"] = password
            self._write_clouds(known)

    def _write_clouds(self, document: dict[str, Any]) -> None:
        text = "# Made by 'stillage serve'. Use it with OS_CLIENT_CONFIG_FILE.\n"
        write_whole(self.clouds, (text + yaml.safe_dump(document, sort_keys=False)).encode())

    def _read_clouds(self) -> dict[str, Any]:
        try:
            document = yaml.safe_load(self.clouds.read_text()) if self.clouds.exists() else {}
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise BadSettings(f"{self.clouds} cannot be read; fix or remove it: {error}") from error
        return document if isinstance(document, dict) else {}

    def _cloud(self, settings: Settings, user: str, password: str) -> dict[str, Any]:
        cloud: dict[str, Any] = {
            "auth": {
                "auth_url": f"{client_url(settings)}/identity/v3",
                "username": user,
                "password": password,
                "project_name": "demo",
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            },
            "region_name": settings.region,
            "identity_api_version": "3",
        }
        if settings.tls and settings.tls_certificate is None:
            cloud["cacert"] = str(self.folder.resolve() / "tls" / "ca.pem")
        return cloud

    def _kept(self, name: str, first: bytes) -> bytes:
        """Return what *name* holds; *first*, written there, when it is not there yet."""
        path = self.folder / name
        if not path.exists():
            write_whole(path, first)
        return path.read_bytes()


def client_url(settings: Settings) -> str:
    """The URL for clients on this machine: nobody can connect to a wildcard address."""
    if settings.public_url:
        return settings.public_url
    host, port = address_of(settings.listen)
    host = WILDCARDS.get(host, host)
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if settings.tls else 'http'}://{shown}:{port}"


def names_of(settings: Settings) -> list[str]:
    """Host names and addresses that clients may use for this server."""
    host, _ = address_of(settings.listen)
    names = ["localhost", "127.0.0.1", "::1", socket.gethostname()]
    if host not in WILDCARDS:
        names.append(host)
    if settings.public_url and (public := urlsplit(settings.public_url).hostname):
        names.append(public)
    return names


def _password(clouds: dict[str, Any], cloud: str) -> str:
    try:
        return str(clouds["clouds"][cloud]["auth"]["password"])
    except (KeyError, TypeError):
        return ""
