"""Finds the id of a project by its name, for commands that take either.

Source: OpenStack Identity API v3, "List projects" and "Get available project scopes".
"""

from urllib.parse import quote

from stillage.client.auth.tokens import identity_url
from stillage.client.clouds import Cloud
from stillage.client.errors import UnusableFile
from stillage.client.http import Request
from stillage.client.session import Session


async def project_id_of(session: Session, cloud: Cloud, name_or_id: str) -> str:
    """Return the id of the project that is called *name_or_id*; if this user sees none of that name, it is the id.

    Raises:
        UnusableFile: If several projects have the name.
        NetworkGaveUp: If nobody answers.
    """
    if cloud.auth_type == "aksk":
        return name_or_id  # signed requests have no way to ask who is who
    url = await identity_url(cloud, session.http, session.retry)
    # Only an administrator may search; everybody may list their own.
    for query in (f"/projects?name={quote(name_or_id, safe='')}", "/auth/projects"):
        answer = await session.ask(Request("GET", url + query))
        listed = answer.document(200).get("projects") or [] if answer.status == 200 else []
        found = {str(project["id"]) for project in listed if project.get("name") == name_or_id}
        if len(found) > 1:
            ids = ", ".join(sorted(found))
            raise UnusableFile(f"{len(found)} projects are named {name_or_id!r}; give one of the ids {ids}")
        if found:
            return found.pop()
    return name_or_id
