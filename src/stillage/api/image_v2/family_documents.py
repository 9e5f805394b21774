"""The JSON of families and of what follows a deletion, every member of every document stated once."""

from typing import Annotated, NotRequired

from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from stillage.api.json_schemas import member

SHORT = {"maxLength": 255}


class Retirement(TypedDict):
    """What replaces an image, and from when. The body may be missing."""

    replaced_by: NotRequired[Annotated[str, member("An id, a name, or FAMILY:latest", **SHORT)]]
    at: NotRequired[Annotated[str, member("A date such as 2027-06-30 or 2027-06-30T12:00:00Z; now if missing")]]
