"""Builds the sources of imports from the settings."""

from stillage.config import Settings
from stillage.outgoing.connecting import trusting
from stillage.outgoing.destinations import Destinations
from stillage.outgoing.expected import ExpectedDigests
from stillage.outgoing.fetch import Fetcher
from stillage.outgoing.keyring import KeyRing
from stillage.outgoing.transfer import Splitting
from stillage.outgoing.web import Reading, WebSource


def web_source_of(settings: Settings) -> WebSource:
    """Return what reads files on the web. Call it in a running loop.

    Raises:
        BadSettings: If the certificates or the key ring cannot be used.
    """
    keys = KeyRing(settings.import_keyring) if settings.import_keyring else None
    proxy = settings.import_proxy
    fetcher = Fetcher(
        destinations_of(settings),
        timeout_s=settings.import_timeout_s,
        trust=trusting(settings.import_ca),
        proxy=proxy.get_secret_value() if proxy else None,
    )
    reading = Reading(splitting=Splitting(settings.import_connections), ratio=settings.import_max_ratio)
    return WebSource(fetcher, ExpectedDigests(fetcher, keys), reading)


def destinations_of(settings: Settings) -> Destinations:
    """Return where imports may lead."""
    return Destinations(
        hosts=settings.import_hosts,
        denied_hosts=settings.import_denied_hosts,
        networks=settings.import_networks,
        denied_networks=settings.import_denied_networks,
        ports=settings.import_ports,
    )
