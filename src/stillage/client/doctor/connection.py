"""Asks a server for the connection itself: address, TLS certificate, clock, and who answers."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from stillage.client.doctor.wire import Cut, Head, Target, Wire

FRONT = "/versions"


@dataclass(frozen=True, slots=True)
class Trusted:
    """What came of TLS. *verify_code* is OpenSSL's, None if the certificate was trusted or TLS failed before."""

    certificate: Mapping[str, object]
    verify_code: int | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Reached:
    """What came of the first request.

    Attributes:
        addresses: Of the name; none if it has none.
        error: Why there is no connection.
        trusted: None for plain HTTP.
        head: The answer; None without one.
        asked_at: When the request was sent; `answered_at`: when its answer came.
    """

    addresses: tuple[str, ...] = ()
    error: str = ""
    trusted: Trusted | None = None
    head: Head | None = None
    asked_at: datetime | None = None
    answered_at: datetime | None = None


async def reach(target: Target, within_s: float) -> Reached:
    """Look *target* up, connect and ask for its versions, which needs no login."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=1)
    except (OSError, UnicodeError) as error:
        return Reached(error=f"the name {target.host} has no address: {_reason(error)}")
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    try:
        async with Wire.to(target) as wire:
            trusted = None if target.trust is None else Trusted(wire.certificate)
            asked_at = datetime.now(UTC)
            await wire.send_head("GET", FRONT, {})
            head = await wire.final(within_s)
            return Reached(addresses, "", trusted, head, asked_at, datetime.now(UTC))
    except ssl.SSLCertVerificationError as error:
        return Reached(addresses, trusted=Trusted({}, error.verify_code, error.verify_message))
    except ssl.SSLError as error:
        return Reached(addresses, trusted=Trusted({}, None, error.reason or str(error)))
    except Cut:
        return Reached(addresses)
    except OSError as error:
        return Reached(addresses, f"{target.authority} does not accept connections: {_reason(error)}")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or ("no answer" if isinstance(error, TimeoutError) else str(error))
