"""``stillage project``: manages projects, which own images, and roles in them."""

from typing import Annotated, Any

import typer

from stillage.cli import accounts as deployment
from stillage.cli.options import Config, Data, Json
from stillage.operations.identity.accounts import Accounts

app = typer.Typer(help="Projects of the embedded identity.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="PROJECT", help="The project's name.")]
User = Annotated[str, typer.Argument(metavar="USER", help="The user's name.")]
Role = Annotated[str, typer.Option("--role", metavar="ROLE", help="reader, member or admin.")]


@app.command()
def create(name: Name, data: Data = None, config_file: Config = None) -> None:
    """Create a project."""
    made = deployment.run(lambda accounts: accounts.create_project(name), data, config_file)
    typer.echo(f"project {made.name} created, id {made.id}")


@app.command("list")
def list_all(as_json: Json = False, data: Data = None, config_file: Config = None) -> None:
    """List projects, and who has which roles in them."""
    rows = deployment.run(_rows, data, config_file)
    deployment.show(["name", "id", "enabled", "members"], rows, as_json=as_json)


@app.command()
def disable(name: Name, data: Data = None, config_file: Config = None) -> None:
    """Disable a project. Its tokens end at once, its images are kept."""
    deployment.run(lambda accounts: accounts.set_project_enabled(name, enabled=False), data, config_file)
    typer.echo(f"project {name} disabled")


@app.command()
def enable(name: Name, data: Data = None, config_file: Config = None) -> None:
    """Enable a project."""
    deployment.run(lambda accounts: accounts.set_project_enabled(name, enabled=True), data, config_file)
    typer.echo(f"project {name} enabled")


@app.command()
def grant(name: Name, user: User, role: Role = "member", data: Data = None, config_file: Config = None) -> None:
    """Grant a user a role in a project."""
    new = deployment.run(lambda accounts: accounts.grant(name, user, role), data, config_file)
    typer.echo(f"user {user} {'is now' if new else 'was already'} {role} in project {name}")


@app.command()
def revoke(name: Name, user: User, role: Role = "member", data: Data = None, config_file: Config = None) -> None:
    """Revoke a role in a project from a user. Their tokens for it end at once."""
    deployment.run(lambda accounts: accounts.revoke(name, user, role), data, config_file)
    typer.echo(f"user {user} is no longer {role} in project {name}")


@app.command()
def delete(name: Name, data: Data = None, config_file: Config = None) -> None:
    """Delete a project that has no images. Its tokens end at once."""
    deployment.run(lambda accounts: accounts.delete_project(name), data, config_file)
    typer.echo(f"project {name} deleted")


async def _rows(accounts: Accounts) -> list[dict[str, Any]]:
    members: dict[str, dict[str, list[str]]] = {}
    for member in await accounts.members():
        members.setdefault(member.project, {})[member.user] = list(member.roles)
    return [
        {
            "name": project.name,
            "id": project.id,
            "enabled": project.enabled,
            "members": members.get(project.name, {}),
        }
        for project in await accounts.projects()
    ]
