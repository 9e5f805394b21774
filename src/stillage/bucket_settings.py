"""The settings of buckets that images are made of and exported to: one table ``[[buckets]]`` for each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FilePath, field_validator


class BoundSettings(BaseModel):
    """What the settings of all types of buckets have."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{2,62}$", description="of the bucket, for clients")
    projects: frozenset[str] = Field(min_length=1, description="ids of the projects that may use it")
    read: bool = Field(default=True, description="make images of its objects")
    write: bool = Field(default=False, description="export images to it")


class FolderBucketSettings(BoundSettings):
    """A folder: `type = "folder"`; each file in it is an object."""

    type: Literal["folder"] = Field(description="a folder that all nodes share")
    path: Path = Field(description="the folder, relative to data or absolute; it must exist")


class S3BucketSettings(BoundSettings):
    """A bucket of an S3 server: `type = "s3"`; its credentials are found as those of [stores](stores.md)."""

    type: Literal["s3"] = Field(description="a bucket; needs `pip install 'stillage[s3]'`")
    bucket: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9._-]{3,63}$", description="its name on the server; `name` if unset"
    )
    prefix: str = Field(default="", max_length=255, pattern=r"^([^/]+/)*$", description="of every key; ends with /")
    endpoint: str | None = Field(
        default=None, pattern=r"^https?://[^/?#@\s]+$", description="URL of the server; that of AWS if unset"
    )
    region: str | None = Field(default=None, max_length=64, description="as AWS's tools find it if unset")
    addressing: Literal["auto", "path", "virtual"] = Field(
        default="auto", description="where the bucket stands: in the path, or as `virtual` host in the name"
    )
    ca: FilePath | None = Field(default=None, description="certificates to trust instead of the machine's")
    timeout_s: float = Field(default=20.0, ge=1, le=300, description="how long the server may be silent")


def _require_file(value: Any) -> Any:
    """Raise ValueError if *value* comes from the environment, which has no tables."""
    if isinstance(value, str):
        raise ValueError("can only be set in the settings file, as tables [[buckets]]")  # noqa: TRY004 - pydantic's way
    return value


AnyBucket = Annotated[FolderBucketSettings | S3BucketSettings, Field(discriminator="type")]
BucketTables = Annotated[tuple[AnyBucket, ...], BeforeValidator(_require_file)]
BUCKET_KINDS: Sequence[type[BaseModel]] = (FolderBucketSettings, S3BucketSettings)


def require_distinct(buckets: Sequence[AnyBucket]) -> None:
    """Raise ValueError if a project has two buckets of one name."""
    bound = [(one.name, project) for one in buckets for project in sorted(one.projects)]
    for name, project in bound:
        if bound.count((name, project)) > 1:
            raise ValueError(f"buckets: the project {project!r} has two buckets {name!r}; give them different names")


class ObjectSettings(BaseModel, defer_build=True):
    """From and to which buckets images may be copied."""

    buckets: BucketTables = Field((), description="buckets besides the projects' own: tables `[[buckets]]`, see below")

    @field_validator("buckets")
    @classmethod
    def _are_distinct(cls, value: tuple[AnyBucket, ...]) -> tuple[AnyBucket, ...]:
        require_distinct(value)
        return value
