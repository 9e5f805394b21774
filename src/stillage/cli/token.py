"""``stillage token``: prints a token, for instance for curl."""

from typing import Annotated

import typer

from stillage import config
from stillage.cli import accounts as deployment
from stillage.cli.options import Config, Data
from stillage.errors import InvalidInput, Unauthenticated
from stillage.operations.identity.accounts import Accounts
from stillage.operations.identity.embedded import EmbeddedIdentity


def token(
    user: Annotated[str, typer.Option(metavar="USER", help="User of the token.")] = "demo",
    project: Annotated[
        str | None, typer.Option(metavar="PROJECT", help="Project of the token. Default: the user's own.")
    ] = None,
    data: Data = None,
    config_file: Config = None,
) -> None:
    """Print a token for X-Auth-Token."""

    async def issue(accounts: Accounts, identity: EmbeddedIdentity) -> str:
        known = await accounts.get_user(user)
        project_id = await accounts.scope_of(known, project)
        try:
            return (await identity.login.without_password(known, project_id)).text
        except Unauthenticated as error:
            raise InvalidInput(
                f"cannot issue a token for user {user!r}: the user or project is disabled, or the user lacks a role; "
                "check 'stillage user list' and 'stillage project list'"
            ) from error

    typer.echo(deployment.run_with_identity(issue, config.load(config_file, data=data)))
