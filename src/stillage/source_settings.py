"""The settings of where images may be imported from: closed, except for public addresses on the ports of the web."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

IPNetwork = IPv4Network | IPv6Network
Port = Annotated[int, Field(ge=1, le=65535)]
Remote = Annotated[str, Field(pattern=r"^[^=,\s]{1,255}=https?://[^/?#@\s]+(/[^?#\s]*)?$", max_length=1024)]
HOST = re.compile(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\]")


class SourceSettings(BaseModel, defer_build=True):
    """Where images may be imported from; see [importing from the web](importing-from-the-web.md)."""

    import_hosts: frozenset[str] = Field(
        frozenset(), description="the only hosts to import from, `*.example.net` for all below one; any if unset"
    )
    import_denied_hosts: frozenset[str] = Field(frozenset(), description="hosts never to import from")
    import_networks: tuple[IPNetwork, ...] = Field(
        (), description="networks to import from although they are not public, as that of a mirror of your own"
    )
    import_denied_networks: tuple[IPNetwork, ...] = Field((), description="networks never to import from")
    import_ports: frozenset[Port] = Field(frozenset({80, 443}), description="the only ports to import from")
    import_proxy: SecretStr | None = Field(
        None, description="http:// URL of a proxy for all imports from the web; it must check addresses itself"
    )
    import_ca: Path | None = Field(
        None, description="PEM of authorities to trust for sources, besides the machine's own"
    )
    import_timeout_s: float = Field(30, gt=0, le=3600, description="longest silence of a source")
    import_connections: int = Field(2, ge=1, le=4, description="connections to a source of a large file")
    import_max_ratio: float = Field(
        1000, ge=1, le=1_000_000, description="how many times its size a compressed file may expand to, beyond 64 MiB"
    )
    import_keyring: Path | None = Field(
        None, description="OpenPGP keys, as `gpg --export` writes them; only sums that one of them signed are trusted"
    )

    import_remotes: tuple[Remote, ...] = Field(
        (), description="image services for `glance-download`, as `REGION=URL`; others come from Keystone's catalogue"
    )

    @field_validator("import_hosts", "import_denied_hosts", "import_ports", "import_remotes", mode="before")
    @classmethod
    def _import_list(cls, value: Any) -> Any:
        return listed(value) if isinstance(value, str) else value

    @field_validator("import_networks", "import_denied_networks", mode="before")
    @classmethod
    def _import_networks(cls, value: Any) -> Any:
        return networks(value)

    @field_validator("import_hosts", "import_denied_hosts")
    @classmethod
    def _are_hosts(cls, value: frozenset[str]) -> frozenset[str]:
        for host in sorted(value):
            if not HOST.fullmatch(host):
                raise ValueError(f"{host!r} is no host; use mirror.example.net, *.example.net or an address")
        return value

    @field_validator("import_proxy")
    @classmethod
    def _is_proxy(cls, value: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(value.get_secret_value() if value else "")
        if value and (parts.scheme != "http" or not parts.hostname):
            raise ValueError("must be http://HOST:PORT, with USER:PASSWORD@ before HOST if it needs them")
        return value or None


def listed(value: str) -> list[str]:
    """Return the items of *value*, separated by commas."""
    return [item for part in value.split(",") if (item := part.strip())]


def networks(value: Any) -> Any:
    """Return the networks of *value*, a text or a list of texts; anything else as it is."""
    texts = listed(value) if isinstance(value, str) else value
    return tuple(map(ip_network, texts)) if isinstance(texts, list | tuple) else texts
