"""Who asks the identity API: like a `Caller`, but not always in a project."""

from typing import Protocol

from stillage.ids import ProjectId, UserId


class Asker(Protocol):
    """Known by a token or by a signature; nothing below the API can tell which.

    Attributes:
        project_id: None if he asks for no project; he has no roles then.
        is_restricted: True if he may not manage application credentials.
        may_make_keys: True if he may have access keys made: they carry all that their owner may do.
    """

    @property
    def user_id(self) -> UserId: ...
    @property
    def project_id(self) -> ProjectId | None: ...
    @property
    def roles(self) -> frozenset[str]: ...
    @property
    def is_admin(self) -> bool: ...
    @property
    def is_restricted(self) -> bool: ...
    @property
    def may_make_keys(self) -> bool: ...
