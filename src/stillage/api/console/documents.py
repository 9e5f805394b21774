"""The JSON of the console's own routes: every member of every answer, stated once."""

from typing import Annotated

from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from stillage.accounts.session import SignInKind
from stillage.api.json_schemas import member


class WithId(TypedDict):
    """A user or a project."""

    id: str
    name: str


class SignedInPlace(TypedDict):
    """One place where you are signed in."""

    id: Annotated[str, member("Names it; no secret")]
    kind: Annotated[str, member("A browser, a link not used yet, or a token of a program", enum=list(SignInKind))]
    project_id: str | None
    project_name: str | None
    credential: Annotated[str | None, member("Name of the application credential that a token was got with")]
    begun_at: Annotated[str, member("When somebody signed in")]
    used_at: Annotated[
        str | None,
        member("Last use of a browser's session: 5 minutes exact, 12 hours in its last 12; null for tokens"),
    ]
    expires_at: Annotated[str, member("When it ends, however much it is used")]
    idle_until: Annotated[str | None, member("When it ends without another request; null for tokens")]
    address: Annotated[str | None, member("Of the client that signed in, if it is known")]
    is_current: Annotated[bool, member("This request came with it")]


class SignedInPlaces(TypedDict):
    """Where you are signed in."""

    sessions: list[SignedInPlace]


class ConsoleSession(TypedDict):
    """A browser that is signed in."""

    user: WithId
    project: WithId
    roles: Annotated[list[str], member("In the project, with the implied ones")]
    is_admin: bool
    expires_at: Annotated[str, member("When it ends, however much it is used")]
    idle_until: Annotated[str, member("When it ends without another request")]
