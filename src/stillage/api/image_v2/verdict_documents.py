"""The JSON of verdicts and rules: every member of every document, stated once."""

from typing import Annotated

from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from stillage.api.json_schemas import member


class ImageVerdict(TypedDict):
    """Whether the bytes of an image were accepted, and why not."""

    image_id: str
    accepted: Annotated[bool | None, member("Null if there was no verdict: see message")]
    message: Annotated[str | None, member("Why the image has no data; null if it has, or nothing was sent")]
    rule: Annotated[str | None, member("Id of the broken rule; docs/rules.md lists them")]
    offset: Annotated[int | None, member("Of the bytes that break the rule, in the file")]
    found: Annotated[str | None, member("The format that was found")]
    declared: Annotated[str | None, member("The disk_format of the image then")]
    fix: Annotated[str | None, member("A command that makes an acceptable image of IN, called OUT")]
    format: Annotated[str | None, member("As found")]
    subformat: Annotated[str | None, member("The finer kind, as streamOptimized; null where there is one kind only")]
    virtual_size: Annotated[int | None, member("Bytes of the disk that a guest sees")]
    size: Annotated[int | None, member("Bytes of the data")]
    details: Annotated[dict[str, str], member("What else is known of the disk, by its format, as cluster_size")]


class RuleOfImages(TypedDict):
    """A rule that an image can break."""

    id: str
    meaning: Annotated[str, member("What it is, and why it matters")]
    fix: Annotated[str | None, member("A command that makes an acceptable image of IN, called OUT")]
    allowed: Annotated[bool, member("True if it refuses no image here")]
    allowable: Annotated[bool, member("True if the operator may allow it")]
    documentation: Annotated[str, member("The page that explains it")]


class Rules(TypedDict):
    """Every rule that an image can break."""

    rules: list[RuleOfImages]
