"""What the console must know of this server before anyone signs in: version, formats, limits, how to sign in."""

from typing import Annotated

from aiohttp import web
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from stillage import __version__
from stillage.api.console.assets import LANGUAGES
from stillage.api.json_schemas import member
from stillage.api.services import identity_url, services
from stillage.images.image import CONTAINER_FORMATS, DISK_FORMATS, Visibility


class ConsoleLimits(TypedDict):
    """The limits of uploads."""

    image_bytes: Annotated[int, member("The largest image")]
    upload_age_s: Annotated[float, member("An upload that receives nothing for so long ends")]


class ConsoleIdentity(TypedDict):
    """Where people sign in."""

    kind: Annotated[str, member("Users are kept here, or in the cloud's Keystone", enum=["embedded", "keystone"])]
    url: Annotated[str, member("The identity API, for clients")]


class ConsoleConfig(TypedDict):
    """What anyone may know of a server."""

    version: str
    region: str
    identity: ConsoleIdentity
    hash_algorithm: Annotated[str, member("Of os_hash_value")]
    disk_formats: list[str]
    container_formats: list[str]
    visibilities: list[str]
    import_methods: list[str]
    stores: Annotated[list[str], member("Ids of the stores; the first is the default")]
    languages: list[str]
    authority: Annotated[bool, member("The server made its own certificate; /console/ca.pem is what to trust")]
    limits: ConsoleLimits


def config_of(request: web.Request) -> ConsoleConfig:
    used = services(request)
    return {
        "version": __version__,
        "region": used.region,
        "identity": {"kind": "keystone" if used.embedded is None else "embedded", "url": identity_url(request)},
        "hash_algorithm": used.uploads.context.rules.hash_algorithm,
        "disk_formats": list(DISK_FORMATS),
        "container_formats": list(CONTAINER_FORMATS),
        "visibilities": list(Visibility),
        "import_methods": list(used.imports.methods),
        "stores": sorted((store.id for store in used.stores), key=lambda name: name != used.stores.default.id),
        "languages": list(LANGUAGES),
        "authority": used.authority is not None,
        "limits": {"image_bytes": used.uploads.max_bytes, "upload_age_s": used.uploads.max_age_s},
    }
