"""``stillage user``: manages who may log in."""

from typing import Annotated, Any

import typer

from stillage import config
from stillage.cli import accounts as deployment
from stillage.cli.options import Config, Data, Json, PasswordStdin
from stillage.cli.server.data_folder import DataFolder
from stillage.operations.identity.accounts import Accounts

app = typer.Typer(help="Users of the embedded identity.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="USER", help="The user's name.")]


@app.command()
def create(
    name: Name,
    project: Annotated[str | None, typer.Option(metavar="PROJECT", help="The user's default project.")] = None,
    role: Annotated[
        str, typer.Option(metavar="ROLE", help="Role in that project: reader, member or admin.")
    ] = "member",
    password_stdin: PasswordStdin = False,
    data: Data = None,
    config_file: Config = None,
) -> None:
    """Create a user."""
    password = deployment.ask_password(from_stdin=password_stdin)
    made = deployment.run(
        lambda accounts: accounts.create_user(name, password, project=project, role=role), data, config_file
    )
    typer.echo(f"user {made.name} created, id {made.id}")


@app.command("list")
def list_all(as_json: Json = False, data: Data = None, config_file: Config = None) -> None:
    """List users and their roles."""
    rows = deployment.run(_rows, data, config_file)
    deployment.show(["name", "enabled", "default_project", "roles"], rows, as_json=as_json)


@app.command()
def disable(name: Name, data: Data = None, config_file: Config = None) -> None:
    """Disable a user. Their tokens end at once."""
    deployment.run(lambda accounts: accounts.set_user_enabled(name, enabled=False), data, config_file)
    typer.echo(f"user {name} disabled")


@app.command()
def enable(name: Name, data: Data = None, config_file: Config = None) -> None:
    """Enable a user. Earlier tokens stay invalid."""
    deployment.run(lambda accounts: accounts.set_user_enabled(name, enabled=True), data, config_file)
    typer.echo(f"user {name} enabled")


@app.command()
def password(name: Name, password_stdin: PasswordStdin = False, data: Data = None, config_file: Config = None) -> None:
    """Change a user's password. Their tokens end at once."""
    settings = config.load(config_file, data=data)
    new = deployment.ask_password(from_stdin=password_stdin)
    deployment.run_with_identity(lambda accounts, _: accounts.set_password(name, new), settings)
    DataFolder(settings.data).change_password(name, new)
    typer.echo(f"password of user {name} changed")


@app.command()
def delete(name: Name, data: Data = None, config_file: Config = None) -> None:
    """Delete a user with their roles, tokens and keys. Images belong to projects, and are kept."""
    deployment.run(lambda accounts: accounts.delete_user(name), data, config_file)
    typer.echo(f"user {name} deleted")


async def _rows(accounts: Accounts) -> list[dict[str, Any]]:
    projects = {project.id: project.name for project in await accounts.projects()}
    roles: dict[str, dict[str, list[str]]] = {}
    for member in await accounts.members():
        roles.setdefault(member.user, {})[member.project] = list(member.roles)
    return [
        {
            "name": user.name,
            "id": user.id,
            "enabled": user.enabled,
            "default_project": projects[user.default_project_id] if user.default_project_id else None,
            "roles": roles.get(user.name, {}),
        }
        for user in await accounts.users()
    ]
