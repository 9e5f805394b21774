"""Settings: one frozen object from a TOML file and the environment (``STILLAGE_*``). The command line comes first."""

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from stillage.adopted_stores import with_adopted
from stillage.audit_settings import AuditSettings
from stillage.console_settings import ConsoleSettings
from stillage.errors import BadSettings
from stillage.formats.allowable import why_not_allowable
from stillage.images.creation import MAX_RECORD_BYTES
from stillage.import_settings import ImportSettings
from stillage.job_settings import JobSettings, Seconds
from stillage.location_settings import LocationSettings
from stillage.source_settings import IPNetwork, listed, networks
from stillage.store_settings import DEFAULT, StoreTables, require_consistent
from stillage.times import CENTURY_S
from stillage.trash_settings import TrashSettings

# No plugin may see the settings, and searching for plugins would read the metadata of every installed package.
os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"

TIB = 1 << 40
# The most that the columns of the tables can hold.
MOST_BYTES = (1 << 63) - 1
MOST_ROWS = (1 << 31) - 1
SECRET_BYTES = 32
ENVIRONMENT_PREFIX = "STILLAGE_"
# As SQLAlchemy parses them; importing it here would slow down every command. Source: SQLAlchemy, "Database URLs".
DATABASE_URL = re.compile(
    r"sqlite:///.*|postgresql\+psycopg://([^:/]*(:[^@]*)?@)?(\[[^/?]+\]|[^/:?]*)(:[0-9]*)?(/[^?]*)?(\?.*)?", re.DOTALL
)


def default_data() -> Path:
    """The user's data folder. Source: XDG Base Directory Specification."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "stillage"


class Settings(AuditSettings, ImportSettings, JobSettings, LocationSettings, ConsoleSettings, TrashSettings):
    """All settings and what they mean. Sizes are in bytes, durations in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path = Field(default_factory=default_data, description="folder for the database, blobs, keys and clouds.yaml")
    listen: str = Field("127.0.0.1:9292", description="HOST:PORT to listen on; [::1]:9292 for IPv6")
    tls: bool = Field(default=True, description="serve HTTPS; false serves plain HTTP")
    tls_certificate: Path | None = Field(None, description="PEM certificate chain in place of the self-signed one")
    tls_key: Path | None = Field(None, description="PEM key of tls_certificate")
    workers: int = Field(1, ge=1, le=256, description="server processes")
    node_name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]{1,48}$",
        description="name of this node, which no other has; a random one is kept in the data folder if unset",
    )
    public_url: str | None = Field(None, description="URL that clients use, if it differs from listen")
    region: str = Field("RegionOne", description="region in the catalogue")
    profile: Literal["openstack", "ims"] = Field("openstack", description="behave as Glance, or as the IMS document")
    strict_os_version: bool = Field(True, description="refuse versions of operating systems that IMS does not document")
    os_versions: list[str] = Field(
        default_factory=list, description="versions that IMS calls take beside the documented ones"
    )
    database_url: str | None = Field(None, description="postgresql+psycopg://…; SQLite in the data folder when unset")
    database_connections: int = Field(
        8, ge=3, le=1000, description="connections of each worker process to PostgreSQL; SQLite needs no limit"
    )
    secret_key: Path | None = Field(
        None,
        description="file with the secret that all nodes on one database share; created in the data folder if unset",
    )
    admin_password: SecretStr | None = Field(None, description="password of user admin; random if unset")
    keystone_url: str | None = Field(
        None, description="URL of the cloud's Keystone (docs/keystone.md); the embedded identity is used if unset"
    )
    keystone_public_url: str | None = Field(
        None, description="URL of Keystone for clients, if it differs from keystone_url"
    )
    keystone_username: str | None = Field(None, description="user that validates tokens, with the role service")
    keystone_credential_id: str | None = Field(None, description="application credential in place of keystone_username")
    keystone_secret: SecretStr | None = Field(
        None, description="password of keystone_username, or secret of the application credential"
    )
    keystone_secret_file: Path | None = Field(None, description="file that holds keystone_secret")
    keystone_project: str = Field("service", description="project of keystone_username")
    keystone_domain: str = Field("Default", description="domain of keystone_username and of keystone_project, by name")
    keystone_ca: Path | None = Field(
        None, description="PEM of the authorities to trust for Keystone; the machine's own when unset"
    )
    keystone_timeout_s: Seconds = Field(10, gt=0, description="longest wait for an answer from Keystone")
    keystone_cache_s: Seconds = Field(
        300, ge=0, description="how long an answer from Keystone is cached; a revoked token may work for that long"
    )
    service_token_roles: frozenset[str] = Field(
        frozenset({"service"}), description="roles that let a service continue with a user's expired token"
    )
    service_token_roles_required: bool = Field(
        default=True, description="refuse service tokens without one of service_token_roles"
    )
    hash_algorithm: Literal["sha512", "sha256"] = Field("sha512", description="os_hash_algo for new uploads")
    max_image_bytes: int | None = Field(
        None, ge=1, le=MOST_BYTES, description="largest image; when unset 1 TiB, with profile ims 128 GiB"
    )
    max_record_bytes: int = Field(
        MAX_RECORD_BYTES,
        ge=1 << 10,
        le=1 << 20,
        description="largest total of an image's name, tags and property values",
    )
    max_project_bytes: int | None = Field(
        None, ge=0, le=MOST_BYTES, description="total bytes of all images of a project; no limit if unset"
    )
    max_project_images: int | None = Field(
        None, ge=0, le=MOST_ROWS, description="number of images of a project; no limit if unset"
    )
    max_project_uploads: int | None = Field(
        None, ge=1, le=MOST_ROWS, description="running uploads and inspections of a project; no limit if unset"
    )
    max_node_uploads: int | None = Field(
        None, ge=1, le=MOST_ROWS, description="running uploads and inspections on this node; no limit if unset"
    )
    stores: StoreTables = Field(DEFAULT, description="where images are kept: tables `[[stores]]`, see below")
    spare_bytes: int = Field(1 << 30, ge=0, description="free space that an upload must leave in the store")
    require_format_match: bool = Field(
        default=True, description="refuse an image whose bytes are not of its disk_format"
    )
    max_virtual_size: int = Field(64 * TIB, ge=1, description="largest disk inside an image")
    allowed_rules: frozenset[str] = Field(
        frozenset(), description="ids of rules that do not refuse images here (docs/rules.md says which may be allowed)"
    )
    policy_file: Path | None = Field(None, description="YAML file with rules in oslo.policy's syntax (docs/policy.md)")
    trusted_proxies: tuple[IPNetwork, ...] = Field(
        (), description="addresses or networks of proxies whose headers about the client are trusted"
    )
    proxy_headers: Literal["x-forwarded", "forwarded"] = Field(
        "x-forwarded",
        description="headers that trusted_proxies write: X-Forwarded-For, -Host, -Proto and -Prefix, or Forwarded "
        "(RFC 7239); all others are ignored",
    )
    idle_timeout_s: Seconds = Field(
        60, gt=0, description="longest time without a byte while a client sends or reads a body"
    )
    min_upload_bytes_per_s: float = Field(0, ge=0, description="end uploads that are slower; 0 disables the limit")
    deleted_download_s: Seconds = Field(
        3600, ge=0, description="longest time that a download may continue after its image is deleted"
    )
    convert_slots: int = Field(
        8, ge=1, le=256, description="downloads that expand or compress a disk at once, in each server process"
    )
    request_timeout_s: Seconds = Field(20, gt=0, description="longest time for a request before it moves image data")
    header_timeout_s: Seconds = Field(60, gt=0, description="longest wait for the headers of a request")
    shutdown_grace_s: Seconds = Field(30, ge=0, description="how long running requests may continue after SIGTERM")
    restart_grace_s: Seconds = Field(
        3600, ge=0, description="how long running requests may continue after SIGHUP, while new workers serve"
    )
    lease_s: Seconds = Field(60, gt=0, description="how long an upload holds its image without renewing its lease")
    upload_age_s: Seconds = Field(
        7 * 86400, gt=0, description="a resumable upload expires after this time without new bytes"
    )
    sweep_interval_s: Seconds = Field(
        60, gt=0, description="how often dead uploads are ended and unneeded blobs removed"
    )
    orphan_age_s: Seconds = Field(7 * 86400, gt=0, description="age at which a file that no row names is removed")
    scrub_every_s: Seconds = Field(
        30 * 86400, ge=0, description="how often every image is read again and verified; 0 disables it"
    )
    scrub_bytes_per_s: float = Field(
        20 << 20, gt=0, description="how fast the background scrub of all nodes together reads"
    )
    token_lifetime_s: int = Field(24 * 3600, ge=300, le=CENTURY_S, description="lifetime of tokens")
    max_user_tokens: int = Field(
        1000, ge=10, le=MOST_ROWS, description="tokens of a user; one more ends the oldest (docs/identity.md)"
    )
    max_user_credentials: int = Field(100, ge=0, le=MOST_ROWS, description="application credentials of one user")
    max_user_temporary_keys: int = Field(1000, ge=0, le=MOST_ROWS, description="temporary access keys of one user")
    metrics_listen: str | None = Field(None, description="HOST:PORT that serves /metrics without a token")
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="console (short lines) or json; auto is console on a terminal, otherwise json"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="lowest level that is logged")

    @field_validator("allowed_rules", "service_token_roles", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return frozenset(listed(value)) if isinstance(value, str) else value

    @field_validator("allowed_rules")
    @classmethod
    def _may_be_allowed(cls, value: frozenset[str]) -> frozenset[str]:
        for rule in sorted(value):
            if reason := why_not_allowable(rule):
                raise ValueError(f"{rule} cannot be allowed: {reason}")
        return value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: Any) -> Any:
        return networks(value)

    @model_validator(mode="after")
    def _consistent_stores(self) -> "Settings":
        require_consistent(self.stores, self.data)
        return self

    @field_validator("database_url")
    @classmethod
    def _is_database(cls, value: str | None) -> str | None:
        if not value:
            return None
        if not DATABASE_URL.fullmatch(value):
            raise ValueError("must be postgresql+psycopg://USER:PASSWORD@HOST:PORT/NAME or sqlite:////FILE")
        return value

    @field_validator("listen", "metrics_listen")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None:
            address_of(value)
        return value

    @field_validator("public_url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/") if value else None

    @field_validator("keystone_url", "keystone_public_url")
    @classmethod
    def _is_keystone(cls, value: str | None) -> str | None:
        if not value:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must begin with http:// or https:// and a host")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("must be a URL without user, query or fragment")
        return value.rstrip("/").removesuffix("/v3")

    @model_validator(mode="after")
    def _keystone_with_user(self) -> "Settings":
        if self.keystone_url is None:
            useless = {name for name in self.model_fields_set if name.startswith("keystone_") and getattr(self, name)}
            if useless:
                raise ValueError(f"{', '.join(sorted(useless))}: used only together with keystone_url")
            return self
        if (self.keystone_username is None) == (self.keystone_credential_id is None):
            raise ValueError("keystone_url needs either keystone_username or keystone_credential_id")
        if (self.keystone_secret is None) == (self.keystone_secret_file is None):
            raise ValueError("keystone_url needs either keystone_secret or keystone_secret_file")
        if self.admin_password is not None:
            raise ValueError("admin_password cannot be used with keystone_url: Keystone manages users")
        return self

    @model_validator(mode="after")
    def _certificate_with_key(self) -> "Settings":
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key must be set together")
        return self

    @cached_property
    def policy(self) -> Mapping[str, str]:
        """The rules in `policy_file`, by name.

        Raises:
            BadSettings: If the file cannot be read.
        """
        if self.policy_file is None:
            return {}
        import yaml  # noqa: PLC0415 - most commands read the settings, and few of them a policy

        try:
            document = yaml.safe_load(self.policy_file.read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise BadSettings(f"cannot read the policy file {self.policy_file}: {error}") from error
        if not isinstance(document or {}, dict):
            raise BadSettings(f"the policy file {self.policy_file} must map rule names to rules")
        return document or {}

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data / 'stillage.db'}"

    @property
    def secret_path(self) -> Path:
        return self.secret_key or self.data / "secret.key"

    @property
    def secret(self) -> bytes:
        """The secret that keyed hashes are made with.

        Raises:
            BadSettings: If the file cannot be read or holds too little.
        """
        path = self.secret_path
        try:
            secret = path.read_bytes()
        except OSError as error:
            raise BadSettings(f"cannot read the secret {path}: {error.strerror}") from error
        if len(secret) < SECRET_BYTES:
            raise BadSettings(
                f"the secret {path} has {len(secret)} bytes; it needs at least {SECRET_BYTES} random bytes"
            )
        return secret

    def read_keystone_secret(self) -> str:
        """Return the secret to log in to Keystone with.

        Raises:
            BadSettings: If its file cannot be read or is empty.
        """
        if self.keystone_secret is not None:
            return self.keystone_secret.get_secret_value()
        assert self.keystone_secret_file is not None  # noqa: S101 - one of the two, see above
        try:
            secret = self.keystone_secret_file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise BadSettings(f"cannot read keystone_secret_file {self.keystone_secret_file}: {error}") from error
        if not secret:
            raise BadSettings(f"keystone_secret_file {self.keystone_secret_file} is empty")
        return secret


def address_of(listen: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT`` or ``[HOST]:PORT``."""
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("must be HOST:PORT, for instance 127.0.0.1:9292")
    return host.removeprefix("[").removesuffix("]"), int(port)


def load(file: Path | None = None, **given: Any) -> Settings:
    """Return the settings: *given* (the command line; None is left out) overrides the environment, and that *file*.

    Raises:
        BadSettings: Names the setting, its value and what is allowed.
    """
    on_the_line = {name: value for name, value in given.items() if value is not None}
    values = {**_read(file), **_from(os.environ), **on_the_line}
    try:
        return Settings(**with_adopted(values, Path(values.get("data") or default_data())))
    except ValidationError as error:
        raise BadSettings("; ".join(_sentence(problem) for problem in error.errors())) from error


def _read(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    if not file.is_file():
        raise BadSettings(f"the settings file {file} does not exist")
    try:
        import tomllib  # noqa: PLC0415 - few commands have a file

        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or not TOML
        raise BadSettings(f"cannot read the settings file {file}: {error}") from error


def _from(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings in *environment*, with names in any case.

    An empty value counts as unset: unit files and compose files pass unset variables so.
    """
    named = {
        name.upper().removeprefix(ENVIRONMENT_PREFIX): value
        for name, value in environment.items()
        if name.upper().startswith(ENVIRONMENT_PREFIX) and value
    }
    return {setting: named[setting.upper()] for setting in Settings.model_fields if setting.upper() in named}


def _sentence(problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"]) or "settings"
    if problem["type"] == "extra_forbidden":
        return f"unknown setting {name!r}"
    told = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return str(told)  # it concerns several settings, and the input would show all of them, secrets included
    shown = "" if _is_secret(name, problem["input"]) else f" = {problem['input']!r}"
    return f"setting {name}{shown}: {told}"


def _is_secret(name: str, value: Any) -> bool:
    setting = Settings.model_fields.get(name)
    # A URL may have a password in it, and a table whatever somebody took for a setting.
    may_hold_one = isinstance(value, Mapping) or name.endswith(".endpoint") or "@" in str(value)
    return (setting is not None and "SecretStr" in str(setting.annotation)) or may_hold_one
