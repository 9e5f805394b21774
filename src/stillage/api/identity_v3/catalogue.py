"""The catalogue: where each service is. Clients find the image API through it.

Source: Identity API v3, "Service catalog and endpoints".
"""

from uuid import UUID, uuid5

from stillage.api.identity_v3 import documents

IDS = UUID("2c0b9c8e-8a37-4f55-9b1c-64bd9e2b6c5e")
# A client that is configured for internal endpoints finds nothing unless all three are there.
INTERFACES = ("public", "internal", "admin")


def catalogue(public_url: str, region: str) -> list[documents.Service]:
    """Return the catalogue of a deployment that clients reach at *public_url*.

    The image URL has no version: glanceclient asks ``URL/versions``, gophercloud appends ``v2/`` itself.
    """
    return [
        _service("identity", "identity", f"{public_url}/identity/v3", region),
        _service("image", "stillage", public_url, region),
    ]


def _service(kind: str, name: str, url: str, region: str) -> documents.Service:
    endpoints: list[documents.Endpoint] = [
        {
            "id": _id(kind, interface, region),
            "interface": interface,
            "region": region,
            "region_id": region,
            "url": url,
        }
        for interface in INTERFACES
    ]
    return {"id": _id(kind), "type": kind, "name": name, "endpoints": endpoints}


def _id(*parts: str) -> str:
    # The same on every node and at every start, without being stored.
    return uuid5(IDS, "/".join(parts)).hex
