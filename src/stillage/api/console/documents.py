"""The JSON of the console's own routes: every member of every answer, stated once."""

from typing import Annotated

from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from stillage.api.json_schemas import member


class WithId(TypedDict):
    """A user or a project."""

    id: str
    name: str


class ConsoleSession(TypedDict):
    """A browser that is signed in."""

    user: WithId
    project: WithId
    roles: Annotated[list[str], member("In the project, with the implied ones")]
    is_admin: bool
    expires_at: Annotated[str, member("When it ends, however much it is used")]
    idle_until: Annotated[str, member("When it ends without another request")]
