"""Reads which cloud to use and how to log in: from clouds.yaml and secure.yaml, ``OS_*`` variables or access keys.

Source: openstacksdk, "Configuring OpenStack SDK Applications"; for access keys what Terraform and the SDKs of
Huawei-style clouds read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from stillage.client.errors import BadCloud

SITE_FOLDER = Path("/etc/openstack")
# Alternative names; the first one wins.
ACCESS_KEYS = ("access_key", "ak")
SECRET_KEYS = ("secret_key", "sk")
# Variables of the vendor's own SDK and Terraform provider, beside the `OS_*` ones.
VENDOR_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "access_key": ("HUAWEICLOUD_SDK_AK", "HW_ACCESS_KEY"),
    "secret_key": ("HUAWEICLOUD_SDK_SK", "HW_SECRET_KEY"),
    "security_token": ("HUAWEICLOUD_SDK_SECURITY_TOKEN", "HW_SECURITY_TOKEN"),
    "project_id": ("HUAWEICLOUD_SDK_PROJECT_ID", "HW_PROJECT_ID"),
    "region_name": ("HUAWEICLOUD_SDK_REGION", "HW_REGION_NAME"),
    "auth_url": ("HUAWEICLOUD_SDK_IAM_ENDPOINT", "HW_AUTH_URL"),
}
# The environment describes a cloud if it sets one of these.
TELLING_VARIABLES = ("OS_AUTH_URL", "OS_TOKEN", *(f"OS_{key.upper()}" for key in ACCESS_KEYS))
# Keys beside `auth`, not in it.
SETTINGS = (
    "region_name",
    "interface",
    "endpoint_type",
    "cacert",
    "cert",
    "key",
    "insecure",
    "auth_type",
    "image_endpoint_override",
)
LOCAL = "stillage"
"""The entry that ``stillage serve`` writes for the user of everyday work."""
NO_WORDS = ("", "0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Cloud:
    """One cloud.

    Attributes:
        auth: Content of ``auth`` in its entry.
        image_url: Used in place of the catalogue's image URL; None asks the catalogue.
        cacert: File with the authorities to trust instead of the system's.
        certificate: The client's own certificate and its key, as files.
    """

    name: str
    auth: Mapping[str, str] = field(repr=False)
    auth_type: str = "password"
    region: str | None = None
    interface: str = "public"
    image_url: str | None = None
    verify: bool = True
    cacert: str | None = None
    certificate: tuple[str, str | None] | None = None

    def need(self, *names: str) -> str:
        """The first of *names* that `auth` has.

        Raises:
            BadCloud: If it has none of them.
        """
        found = self.find(*names)
        if found is None:
            raise BadCloud(f"{self.name} has no {names[0]}; set it in clouds.yaml or in OS_{names[0].upper()}")
        return found

    def find(self, *names: str) -> str | None:
        return next((str(self.auth[name]) for name in names if self.auth.get(name) not in (None, "")), None)


def choose(
    name: str | None, environ: Mapping[str, str], *, folder: Path, local: Callable[[], Path | None] = lambda: None
) -> Cloud:
    """Return the cloud *name*. Without a name, use ``OS_CLOUD``, the environment, the only entry or what runs here.

    Args:
        name: From the command line.
        environ: The process's environment.
        folder: Where the command runs.
        local: Returns the clouds.yaml of the deployment on this machine; called if nothing else names a cloud.

    Raises:
        BadCloud: If there is none, there are several to choose from, or it is not usable.
    """
    wanted = name or environ.get("OS_CLOUD") or None
    telling = any(environ.get(variable) for variable in (*TELLING_VARIABLES, *VENDOR_VARIABLES["access_key"]))
    if wanted in (None, "envvars") and telling:
        return from_environment(environ)
    entries = read(environ, folder=folder)
    if wanted is None and len(entries) == 1:
        wanted = next(iter(entries))
    if wanted not in entries and (wanted is not None or not entries) and (path := local()) is not None:
        entries = {**_clouds_in(path), **entries}
        wanted = wanted or LOCAL
    if wanted is None:
        known = f"one of {', '.join(sorted(entries))}" if entries else "a cloud in clouds.yaml, or set OS_AUTH_URL"
        raise BadCloud(f"which cloud? Name {known} with --os-cloud or OS_CLOUD")
    if wanted not in entries:
        known = f"there are {', '.join(sorted(entries))}" if entries else "no clouds.yaml was found"
        raise BadCloud(f"there is no cloud {wanted!r}: {known}")
    return from_entry(wanted, entries[wanted], environ)


def from_environment(environ: Mapping[str, str]) -> Cloud:
    """Return the cloud described by ``OS_*`` variables."""
    found = {key[3:].lower(): value for key, value in environ.items() if key.startswith("OS_") and value}
    for key, variables in VENDOR_VARIABLES.items():
        value = next((environ[variable] for variable in variables if environ.get(variable)), None)
        if value is not None:
            found.setdefault(key, value)
    entry: dict[str, Any] = {key: found.pop(key) for key in SETTINGS if key in found}
    return from_entry("the environment", {**entry, "auth": found}, environ)


def from_entry(name: str, entry: Mapping[str, Any], environ: Mapping[str, str]) -> Cloud:
    """Make a `Cloud` from an entry of clouds.yaml.

    Raises:
        BadCloud: If the entry is invalid.
    """
    auth = entry.get("auth") or {}
    if not isinstance(auth, Mapping):
        raise BadCloud(f"'auth' of {name} must be a mapping")
    known = {str(key): str(value) for key, value in auth.items() if value is not None}
    if "auth_url" not in known and "profile" in entry:
        raise BadCloud(f"{name} uses a profile, which is not supported; put its auth_url into clouds.yaml")
    insecure = _is_yes(entry.get("insecure", False))
    return Cloud(
        name=name,
        auth=known,
        auth_type=_auth_type(entry.get("auth_type"), known),
        region=_first(entry.get("region_name") or entry.get("regions")),
        interface=str(entry.get("interface") or entry.get("endpoint_type") or "public").removesuffix("URL"),
        image_url=entry.get("image_endpoint_override") or entry.get("image_endpoint"),
        verify=_is_yes(entry.get("verify", True)) and not insecure,
        cacert=_path(entry.get("cacert") or environ.get("OS_CACERT")),
        certificate=(str(_path(entry["cert"])), _path(entry.get("key"))) if entry.get("cert") else None,
    )


def read(environ: Mapping[str, str], *, folder: Path) -> dict[str, dict[str, Any]]:
    """Return every entry of the first clouds.yaml found, merged with secure.yaml.

    Raises:
        BadCloud: If a file cannot be read.
    """
    clouds = _document(environ.get("OS_CLIENT_CONFIG_FILE"), "clouds", environ, folder)
    secure = _document(environ.get("OS_CLIENT_SECURE_FILE"), "secure", environ, folder)
    return {name: _merged(entry or {}, secure.get(name) or {}) for name, entry in clouds.items()}


def _document(named: str | None, stem: str, environ: Mapping[str, str], folder: Path) -> dict[str, Any]:
    path = Path(named) if named else _found(stem, environ, folder)
    return {} if path is None else _clouds_in(path)


def _clouds_in(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        # A parser's message quotes the line, and the line may hold a password.
        why = error.strerror if isinstance(error, OSError) else "it is not valid YAML"
        raise BadCloud(f"cannot read {path}: {why}") from error
    clouds = document.get("clouds") if isinstance(document, dict) else None
    if not isinstance(clouds, dict) or not all(isinstance(entry, dict | None) for entry in clouds.values()):
        raise BadCloud(f"{path} has no mapping 'clouds'")
    return {str(name): entry for name, entry in clouds.items()}


def _found(stem: str, environ: Mapping[str, str], folder: Path) -> Path | None:
    config = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "/")) / ".config")
    folders = (folder, Path(config) / "openstack", SITE_FOLDER)
    paths = [place / f"{stem}.{ending}" for place in folders for ending in ("yaml", "yml", "json")]
    return next((path for path in paths if path.is_file()), None)


def _merged(entry: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(entry)
    for key, value in more.items():
        before = merged.get(key)
        merged[key] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def _auth_type(given: object, auth: Mapping[str, str]) -> str:
    """One of ``password``, ``token``, ``application_credential`` and ``aksk``."""
    if given is None:
        if any(auth.get(key) for key in ACCESS_KEYS):
            return "aksk"
        if auth.get("application_credential_id") or auth.get("application_credential_name"):
            return "application_credential"
        return "token" if auth.get("token") and not auth.get("password") else "password"
    name = str(given).removeprefix("v3").replace("applicationcredential", "application_credential")
    if name not in ("password", "token", "application_credential", "aksk"):
        allowed = "password, token, v3applicationcredential, aksk"
        raise BadCloud(f"unknown auth_type {given!r}; use one of {allowed}")
    return name


def _first(regions: object) -> str | None:
    if isinstance(regions, list):
        regions = regions[0] if regions else None
    if isinstance(regions, Mapping):
        regions = regions.get("name")
    return str(regions) if regions else None


def _is_yes(value: object) -> bool:
    return str(value).strip().lower() not in NO_WORDS


def _path(value: object) -> str | None:
    return str(Path(str(value)).expanduser()) if value else None
