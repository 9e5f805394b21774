"""A location: where a store keeps the bytes of an image, as a URL for services that can read that storage themselves.

Clients never say where bytes are: what they name is fetched, verified and stored as any upload is. Source: OpenStack
Image API v2, "Locations".
"""

from dataclasses import dataclass

from stillage.ids import StoreId


@dataclass(frozen=True, slots=True)
class Location:
    """Where one copy is.

    Attributes:
        url: ``file://…`` or ``s3://…``. It has no secret, and opens nothing by itself.
    """

    url: str
    store: StoreId


@dataclass(frozen=True, slots=True)
class Shown:
    """What owners are shown with their images.

    Attributes:
        first: The location that is read first, as ``direct_url``.
        all: Every location.
    """

    first: bool = False
    all: bool = False
