"""The data folder: what the first start creates in it, and what every start checks.

DIR/stillage.db     the database, unless another is set
DIR/blobs/          images
DIR/tls/            the self-signed certificate
DIR/secret.key      the secret of the deployment, unless secret_key names another file
DIR/node-id         identifies this node in leases, unless node_name does
DIR/lock            held while a server or one of its workers uses this folder
DIR/processes       lists those processes
DIR/clouds.yaml     for OpenStack clients, with the passwords of `demo` and `admin`
"""

import secrets
import socket
import stat
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import structlog
import yaml

from stillage.cli.server import certificate
from stillage.config import SECRET_BYTES, Settings, address_of
from stillage.errors import BadSettings
from stillage.stores.files.disk import make_folder, write_whole

log = structlog.get_logger()

WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not listened on
CLOUDS = {"stillage": "demo", "stillage-admin": "admin"}


class DataFolder:
    """One data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clouds = folder / "clouds.yaml"

    def prepare(self) -> None:
        """Create the folder if needed, and make it and its state private to its owner.

        Raises:
            BadSettings: If it cannot be created or written to.
        """
        try:
            self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            make_folder(self.folder)
            self.folder.chmod(0o700)
        except OSError as error:
            raise BadSettings(f"cannot use the data folder {self.folder}: {error.strerror}") from error
        self._close_to_others()

    def _close_to_others(self) -> None:
        """Remove permissions of other users that an earlier version, or a restored copy, left behind.

        Blobs are left alone, since there may be millions: they were always created private, and their folders
        are private.
        """
        kept = [*self.folder.iterdir(), *self.folder.glob("tls/*"), *self.folder.glob("metrics/*")]
        for path in [*kept, *self.folder.glob("blobs/[0-9a-f][0-9a-f]")]:
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode) or not mode & 0o077:
                continue  # the target of a link belongs to the operator
            try:
                path.chmod(stat.S_IMODE(mode) & 0o700)
            except PermissionError:
                log.warning(
                    "a file in the data folder is readable by others and belongs to another user", path=str(path)
                )

    def node_id(self) -> str:
        return self._kept("node-id", uuid4().hex[:16].encode()).decode()

    def make_secret(self) -> None:
        self._kept("secret.key", secrets.token_bytes(SECRET_BYTES))

    def certificate(self, settings: Settings) -> certificate.Certificate:
        return certificate.ensure(self.folder / "tls", names_of(settings))

    def write_clouds(self, settings: Settings, passwords: dict[str, str]) -> None:
        """Update clouds.yaml with the URL of this start and with *passwords*, as far as they are known.

        A password that is not in *passwords* stays as it is in the file; only its hash is stored elsewhere. A user
        whose password nobody here knows, because another node made it, gets no entry.
        """
        known = self._read_clouds()
        clouds = {
            cloud: self._cloud(settings, user, password)
            for cloud, user in CLOUDS.items()
            if (password := passwords.get(user) or _password(known, cloud))
        }
        others = {name: cloud for name, cloud in known.get("clouds", {}).items() if name not in CLOUDS}
        self._write_clouds({**known, "clouds": {**clouds, **others}})

    def change_password(self, user: str, password: str) -> None:
        """Write the new password of *user* to clouds.yaml, if the user is in it."""
        known = self._read_clouds()
        for cloud in (name for name, of in CLOUDS.items() if of == user and _password(known, name)):
            known["clouds"][cloud]["auth"]["password"] = password
            self._write_clouds(known)

    def knows_demo(self) -> bool:
        """True if clouds.yaml has the password of user `demo`."""
        return bool(_password(self._read_clouds(), "stillage"))

    def _write_clouds(self, document: dict[str, Any]) -> None:
        text = "# Written by 'stillage serve'. Point OS_CLIENT_CONFIG_FILE to it.\n"
        text += "".join(
            f"# Another node set the password of user {user}: copy the entry {cloud} from its clouds.yaml.\n"
            for cloud, user in CLOUDS.items()
            if not _password(document, cloud)
        )
        write_whole(self.clouds, (text + yaml.safe_dump(document, sort_keys=False)).encode())

    def _read_clouds(self) -> dict[str, Any]:
        try:
            document = yaml.safe_load(self.clouds.read_text()) if self.clouds.exists() else {}
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise BadSettings(f"cannot read {self.clouds}; fix or remove it: {error}") from error
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
        """Return the content of file *name*; create it with *first* if it does not exist."""
        path = self.folder / name
        if not path.exists():
            write_whole(path, first)
        return path.read_bytes()


def client_url(settings: Settings) -> str:
    """Return the URL for clients on this machine. A wildcard address becomes one that clients can connect to."""
    if settings.public_url:
        return settings.public_url
    host, port = address_of(settings.listen)
    host = WILDCARDS.get(host, host)
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if settings.tls else 'http'}://{shown}:{port}"


def names_of(settings: Settings) -> list[str]:
    """Return the host names and addresses that clients may use for this server."""
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
