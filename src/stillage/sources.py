"""Builds what imports need from the settings: their rules, and their sources on the web and in other services."""

from dataclasses import dataclass
from ipaddress import ip_network

from stillage.config import Settings
from stillage.operations.imports.service import ImportRules
from stillage.operations.upload.acceptance import UploadRules
from stillage.outgoing.connecting import trusting
from stillage.outgoing.destinations import Destinations
from stillage.outgoing.expected import ExpectedDigests
from stillage.outgoing.fetch import Fetcher
from stillage.outgoing.glance import GlanceSource
from stillage.outgoing.keyring import KeyRing
from stillage.outgoing.peer import HttpPeer
from stillage.outgoing.transfer import Retries, Splitting
from stillage.outgoing.web import Reading, WebSource

SERVICES = Destinations(networks=(ip_network("0.0.0.0/0"), ip_network("::/0")), ports=range(1, 65536))
"""Where services of the operator may be: anywhere but where clouds keep metadata."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What imports read from. Close it."""

    web: WebSource
    remote: GlanceSource
    keystone: HttpPeer | None

    async def close(self) -> None:
        await self.web.close()
        await self.remote.close()
        if self.keystone is not None:
            await self.keystone.close()


def sources_of(settings: Settings) -> Sources:
    """Return the sources of a deployment. Call it in a running loop.

    Raises:
        BadSettings: If the certificates or the key ring cannot be used.
    """
    keys = KeyRing(settings.import_keyring) if settings.import_keyring else None
    trust = trusting(settings.import_ca)
    timeout_s = settings.import_timeout_s
    proxy = settings.import_proxy.get_secret_value() if settings.import_proxy else None
    fetcher = Fetcher(destinations_of(settings), timeout_s=timeout_s, trust=trust, proxy=proxy)
    reading = Reading(splitting=Splitting(settings.import_connections), ratio=settings.import_max_ratio)
    services = Fetcher(SERVICES, timeout_s=timeout_s, trust=trust, most_redirects=0)
    remotes = dict(each.split("=", 1) for each in settings.import_remotes)
    keystone = _keystone(settings)
    return Sources(
        WebSource(fetcher, ExpectedDigests(fetcher, keys), reading),
        GlanceSource(services, remotes, keystone, Retries()),
        keystone,
    )


def destinations_of(settings: Settings) -> Destinations:
    """Return where imports from the web may lead."""
    return Destinations(
        hosts=settings.import_hosts,
        denied_hosts=settings.import_denied_hosts,
        networks=settings.import_networks,
        denied_networks=settings.import_denied_networks,
        ports=settings.import_ports,
    )


def import_rules_of(settings: Settings, upload: UploadRules) -> ImportRules:
    """Return what the deployment says of imports. *upload*: of their bytes."""
    return ImportRules(
        methods=settings.import_methods,
        upload=upload,
        max_record_bytes=settings.max_record_bytes,
        convert_to=settings.import_convert_to,
        deleted_download_s=settings.deleted_download_s,
    )


def _keystone(settings: Settings) -> HttpPeer | None:
    if settings.keystone_url is None:
        return None
    return HttpPeer(
        settings.keystone_url, "Keystone", timeout_s=settings.keystone_timeout_s, authority=settings.keystone_ca
    )
