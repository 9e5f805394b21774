"""The console as a dialect: a page for people, and its sessions, which authenticate browsers in every API.

Its files are public, and contain no data.
"""

from collections.abc import Mapping

from stillage.api.console import files, routes
from stillage.api.console.description import DESCRIPTION
from stillage.api.console.session import authenticate
from stillage.api.dialects import Dialect
from stillage.api.problems import Wording
from stillage.audit.events import USER, Action

CHANGES: Mapping[str, Action] = {
    "POST /console/session": Action("authenticate", USER),
    "DELETE /console/session": Action("revoke", "data/security/session"),
    "DELETE /console/sessions/{session_id}": Action("revoke", "data/security/session"),
}


def dialect(wording: Wording) -> Dialect:
    """*wording*: the profile's."""
    return Dialect(
        prefixes=("/console",),
        add_routes=routes.add_routes,
        authenticate=authenticate,
        public=frozenset({"POST /console/session", *files.DETAILS}),
        wording=wording,
        changes=CHANGES,
        description=DESCRIPTION,
    )
