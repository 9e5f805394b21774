"""``stillage accesskey``: manages keys for clients that sign their requests."""

from typing import Annotated, Any

import typer

from stillage import config
from stillage.accounts.key_request import require_description
from stillage.cli import accounts as deployment
from stillage.cli.options import Config, Data, Json
from stillage.operations.identity.access_keys import MadeKey
from stillage.operations.identity.accounts import Accounts
from stillage.operations.identity.embedded import EmbeddedIdentity

app = typer.Typer(help="Access keys (AK/SK) of users of the embedded identity.", no_args_is_help=True)

Access = Annotated[str, typer.Argument(metavar="ACCESS_KEY", help="The access key.")]
Owner = Annotated[str, typer.Argument(metavar="USER", help="The user the key is for.")]


@app.command()
def create(
    user: Owner,
    project: Annotated[
        str | None,
        typer.Option(metavar="PROJECT", help="Project of requests that name none. Default: the user's own."),
    ] = None,
    description: Annotated[str, typer.Option(metavar="TEXT", help="What the key is for.")] = "",
    as_json: Json = False,
    data: Data = None,
    config_file: Config = None,
) -> None:
    """Create an access key. Its secret is printed once and never shown again."""

    async def make(accounts: Accounts, identity: EmbeddedIdentity) -> MadeKey:
        owner = await accounts.get_user(user)
        project_id = None if project is None else (await accounts.get_project(project)).id
        return await identity.access_keys.make(owner.id, project_id, require_description(description))

    made = deployment.run_with_identity(make, config.load(config_file, data=data))
    shown = {"access": made.key.access, "secret": made.secret}
    if as_json:
        deployment.show(["access", "secret"], [shown], as_json=True)
    else:
        typer.echo(f"access key {shown['access']}\nsecret key {shown['secret']}")


@app.command("list")
def list_all(
    user: Annotated[
        str | None, typer.Option(metavar="USER", help="Only keys of this user. Default: all users.")
    ] = None,
    as_json: Json = False,
    data: Data = None,
    config_file: Config = None,
) -> None:
    """List access keys, without their secrets."""

    async def rows(accounts: Accounts, identity: EmbeddedIdentity) -> list[dict[str, Any]]:
        owners = await accounts.users() if user is None else [await accounts.get_user(user)]
        projects = {project.id: project.name for project in await accounts.projects()}
        return [
            {
                "access": key.access,
                "user": owner.name,
                "enabled": key.enabled,
                "project": projects[key.project_id] if key.project_id else None,
                "description": key.description,
                "created_at": key.created_at.isoformat(timespec="seconds"),
            }
            for owner in owners
            for key in await identity.access_keys.all_of(owner.id)
        ]

    found = deployment.run_with_identity(rows, config.load(config_file, data=data))
    deployment.show(["access", "user", "enabled", "project", "description", "created_at"], found, as_json=as_json)


@app.command()
def disable(access: Access, data: Data = None, config_file: Config = None) -> None:
    """Disable an access key."""
    _set_enabled(access, False, data, config_file)
    typer.echo(f"access key {access} disabled")


@app.command()
def enable(access: Access, data: Data = None, config_file: Config = None) -> None:
    """Enable an access key."""
    _set_enabled(access, True, data, config_file)
    typer.echo(f"access key {access} enabled")


@app.command()
def delete(access: Access, data: Data = None, config_file: Config = None) -> None:
    """Delete an access key."""
    settings = config.load(config_file, data=data)
    deployment.run_with_identity(lambda _, identity: identity.access_keys.remove(access), settings)
    typer.echo(f"access key {access} deleted")


def _set_enabled(access: str, enabled: bool, data: Data, config_file: Config) -> None:
    settings = config.load(config_file, data=data)
    deployment.run_with_identity(
        lambda _, identity: identity.access_keys.set_enabled(access, enabled=enabled), settings
    )
