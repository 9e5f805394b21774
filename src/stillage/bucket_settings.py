"""The settings of buckets that images are made of and exported to: one table ``[[buckets]]`` for each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator


class FolderBucketSettings(BaseModel):
    """A folder: `type = "folder"`; each file in it is an object."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["folder"] = Field(description="a folder that all nodes share")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{2,62}$", description="of the bucket, for clients")
    projects: frozenset[str] = Field(min_length=1, description="ids of the projects that may use it")
    read: bool = Field(default=True, description="make images of its objects")
    write: bool = Field(default=False, description="export images to it")
    path: Path = Field(description="the folder, relative to data or absolute; it must exist")


def _require_file(value: Any) -> Any:
    """Raise ValueError if *value* comes from the environment, which has no tables."""
    if isinstance(value, str):
        raise ValueError("can only be set in the settings file, as tables [[buckets]]")  # noqa: TRY004 - pydantic's way
    return value


AnyBucket = FolderBucketSettings
BucketTables = Annotated[tuple[AnyBucket, ...], BeforeValidator(_require_file)]
BUCKET_KINDS: Sequence[type[BaseModel]] = (FolderBucketSettings,)


def require_distinct(buckets: Sequence[AnyBucket]) -> None:
    """Raise ValueError if a project has two buckets of one name."""
    bound = [(one.name, project) for one in buckets for project in sorted(one.projects)]
    for name, project in bound:
        if bound.count((name, project)) > 1:
            raise ValueError(f"buckets: the project {project!r} has two buckets {name!r}; give them different names")


class ObjectSettings(BaseModel):
    """From and to which buckets images may be copied."""

    buckets: BucketTables = Field((), description="buckets besides the projects' own: tables `[[buckets]]`, see below")

    @field_validator("buckets")
    @classmethod
    def _are_distinct(cls, value: tuple[AnyBucket, ...]) -> tuple[AnyBucket, ...]:
        require_distinct(value)
        return value
