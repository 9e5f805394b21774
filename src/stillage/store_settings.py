"""The settings of stores: one table ``[[stores]]`` in the settings file for each, with the fields of its type."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FilePath, field_validator, model_validator

from stillage.s3_limits import SMALLEST_PART, STANDARD_PART

STORE_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
ENDPOINT = re.compile(r"https?://[^/?#@\s]+")
MOST = 1_000_000


class StoreSettings(BaseModel):
    """What the settings of all types of stores have."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    id: str = Field(pattern=STORE_ID, description="name of the store, for clients too; never change it")
    default: bool = Field(default=False, description="take the uploads that name no store; true for exactly one")
    read_only: bool = Field(default=False, description="take no new uploads, and remove nothing")
    weight: int = Field(default=0, ge=-MOST, le=MOST, description="copies in stores with a higher one are read first")
    description: str = Field(default="", max_length=255, description="shown to clients")

    @field_validator("id")
    @classmethod
    def _is_free(cls, value: str) -> str:
        if value.startswith("os_glance_"):
            raise ValueError("ids that begin with os_glance_ are reserved by the image API")
        return value


class FilesSettings(StoreSettings):
    """A folder: `type = "files"`."""

    type: Literal["files"] = Field(description="a folder, on a local disk or on one that all nodes share")
    path: Path = Field(description="the folder, relative to data or absolute; outside data it must exist")
    layout: Literal["stillage", "glance"] = Field(
        default="stillage",
        description="`glance`: the folder of a Glance, as `stillage adopt` serves it; needs `read_only = true`",
    )

    @model_validator(mode="after")
    def _leaves_glance_alone(self) -> Self:
        if self.layout == "glance" and not self.read_only:
            raise ValueError("a folder of Glance is only read; set read_only = true")
        return self


class BucketSettings(StoreSettings):
    """A bucket of an S3 server: `type = "s3"`; see [object storage](stores.md)."""

    type: Literal["s3"] = Field(description="a bucket; needs `pip install 'stillage[s3]'`")
    bucket: str = Field(
        min_length=3, max_length=63, pattern=r"^[A-Za-z0-9._-]+$", description="its name; it must exist"
    )
    prefix: str = Field(default="", max_length=255, pattern=r"^([^/]+/)*$", description="of every key; ends with /")
    endpoint: str | None = Field(default=None, description="URL of the server; that of AWS if unset")
    region: str | None = Field(
        default=None, max_length=64, description="of the bucket; as AWS's tools find it if unset"
    )
    addressing: Literal["auto", "path", "virtual"] = Field(
        default="auto",
        description="name the bucket in the `path` or in the host (`virtual`); `auto`: in the host at AWS alone",
    )
    ca: FilePath | None = Field(default=None, description="certificates to trust instead of the machine's")
    sign_payload: bool | None = Field(default=None, description="sign the bytes too; if unset, only without TLS")
    checksums: Literal["when_required", "when_supported"] = Field(
        default="when_required", description="`when_supported` uses the newer checksums, which older servers refuse"
    )
    part_size: int = Field(
        default=STANDARD_PART,
        ge=SMALLEST_PART,
        le=256 << 20,
        description="bytes of a part; more for images above 70 GiB",
    )
    equal_parts: bool = Field(default=False, description="all parts have one size, as Cloudflare R2 demands")
    parts_at_once: int = Field(default=3, ge=1, le=16, description="parts of one upload on their way at the same time")
    timeout_s: float = Field(default=20.0, ge=1, le=300, description="how long the server may be silent")
    redirect: bool = Field(default=False, description="clients that ask for it download from the server itself")
    capacity: int | None = Field(
        default=None, ge=1, description="bytes that it may have in all, refused before the first one; no limit if unset"
    )
    cache_bytes: int = Field(
        default=0, ge=0, description="keep what was read on the node's disk, so much in all; 0 keeps nothing"
    )

    @field_validator("endpoint")
    @classmethod
    def _is_server(cls, value: str | None) -> str | None:
        if value is not None and not ENDPOINT.fullmatch(value):
            raise ValueError("must be http://HOST:PORT or https://HOST:PORT; see docs/stores.md for credentials")
        return value


def _require_file(value: Any) -> Any:
    """Raise ValueError if *value* comes from the environment, which has no tables."""
    if isinstance(value, str):
        raise ValueError("can only be set in the settings file, as tables [[stores]]")  # noqa: TRY004 - pydantic's way
    return value


AnyStore = Annotated[FilesSettings | BucketSettings, Field(discriminator="type")]
StoreTables = Annotated[tuple[AnyStore, ...], BeforeValidator(_require_file), Field(min_length=1)]
KINDS: Sequence[type[StoreSettings]] = (FilesSettings, BucketSettings)
# Not validated: a worker, which gets its settings from its parent, needs no validators, and they take 2 MiB.
DEFAULT = (
    FilesSettings.model_construct(
        id="files", type="files", path=Path("blobs"), default=True, description="Local files"
    ),
)


def require_consistent(stores: Sequence[AnyStore], data: Path) -> None:
    """Raise ValueError unless *stores* have different ids and folders, and one of them is the default."""
    ids = [one.id for one in stores]
    for one in stores:
        if ids.count(one.id) > 1:
            raise ValueError(f"stores: two have the id {one.id!r}; give each its own")
    if default_of(stores).read_only:
        raise ValueError(
            f"stores: {default_of(stores).id!r} is the default and read-only; make another one the default"
        )
    folders = [(one.id, (data / one.path).resolve()) for one in stores if isinstance(one, FilesSettings)]
    for number, (name, folder) in enumerate(folders):
        for other, other_folder in folders[number + 1 :]:
            if folder.is_relative_to(other_folder) or other_folder.is_relative_to(folder):
                raise ValueError(f"stores: the folders of {name!r} and {other!r} overlap; give each its own")


def default_of(stores: Sequence[AnyStore]) -> AnyStore:
    """Return the store that is marked as the default; one alone need not be.

    Raises:
        ValueError: If none is marked, or several.
    """
    marked = stores if len(stores) == 1 else [one for one in stores if one.default]
    if len(marked) != 1:
        raise ValueError("stores: set default = true for one of them, and for no other")
    return marked[0]
