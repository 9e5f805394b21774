"""The commands for users, projects and tokens, on the database of a data folder."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from stillage.accounts.principal import Principal
from stillage.cli.main import app
from stillage.config import load
from stillage.db.session import Database
from stillage.errors import AlreadyExists, BadSettings, InvalidInput, NotFound, StillageError, Unauthenticated
from stillage.identity.passwords import Passwords
from stillage.operations.identity.bootstrap import bootstrap
from stillage.operations.identity.embedded import EmbeddedIdentity

Run = Callable[..., str]


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def folder(tmp_path: Path, migrated_sqlite: Path) -> Path:
    """A data folder after its first start."""
    (tmp_path / "stillage.db").write_bytes(migrated_sqlite.read_bytes())
    (tmp_path / "secret.key").write_bytes(bytes(32))

    async def start() -> None:
        database, passwords = Database(load(data=tmp_path).database), Passwords()
        await bootstrap(database, passwords, admin_password="admins", demo_password="demos", clock=now)
        passwords.close()
        database.close()

    asyncio.run(start())
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    """Runs a command and returns what it prints; its errors are raised."""

    def run(*arguments: str, given: str | None = None) -> str:
        result = CliRunner().invoke(app, [*arguments, "--data", str(folder)], input=given)
        if isinstance(result.exception, StillageError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


def principal_of(folder: Path, token: str) -> Principal:
    async def ask() -> Principal:
        database, passwords = Database(load(data=folder).database), Passwords()
        try:
            return await EmbeddedIdentity(database, passwords, secret=bytes(32), clock=now).principal_of(token)
        finally:
            passwords.close()
            database.close()

    return asyncio.run(ask())


def listed(run: Run, what: str) -> dict[str, Any]:
    return {row["name"]: row for row in json.loads(run(what, "list", "--json"))}


def test_a_token_is_printed_alone_and_works(run: Run, folder: Path) -> None:
    printed = run("token")
    assert printed == printed.strip() + "\n"
    principal = principal_of(folder, printed.strip())
    assert (principal.user_name, principal.project_name) == ("demo", "demo")
    assert "admin" in principal_of(folder, run("token", "--user", "admin", "--project", "demo").strip()).roles


def test_users_are_made_listed_and_given_roles(run: Run, folder: Path) -> None:
    run("project", "create", "lab")
    assert "user erin created" in run("user", "create", "erin", "--project", "lab", "--password-stdin", given="pw\n")
    assert run("project", "grant", "demo", "erin", "--role", "Admin") == "user erin is now Admin in project demo\n"
    assert "already" in run("project", "grant", "demo", "erin", "--role", "admin")
    erin = listed(run, "user")["erin"]
    assert (erin["enabled"], erin["default_project"]) == (True, "lab")
    assert erin["roles"] == {"demo": ["admin"], "lab": ["member"]}
    assert listed(run, "project")["lab"]["members"] == {"erin": ["member"]}
    run("project", "revoke", "demo", "erin", "--role", "admin")
    assert listed(run, "user")["erin"]["roles"] == {"lab": ["member"]}
    assert principal_of(folder, run("token", "--user", "erin").strip()).project_name == "lab"


def test_people_see_tables(run: Run) -> None:
    run("user", "create", "[red]", "--password-stdin", given="pw\n")
    users = run("user", "list")
    assert "demo: member" in users
    assert "[red]" in users, "names are no markup"
    assert "admin: admin" in run("project", "list")


def test_disabling_ends_tokens_and_says_why_there_are_no_new_ones(run: Run, folder: Path) -> None:
    token = run("token").strip()
    run("user", "disable", "demo")
    with pytest.raises(Unauthenticated):
        principal_of(folder, token)
    with pytest.raises(InvalidInput, match="disabled"):
        run("token")
    run("user", "enable", "demo")
    token = run("token").strip()
    run("project", "disable", "demo")
    with pytest.raises(Unauthenticated):
        principal_of(folder, token)
    with pytest.raises(InvalidInput, match="disabled"):
        run("token", "--project", "demo")
    run("project", "enable", "demo")
    run("token")


def test_a_changed_password_is_in_clouds_yaml_too(run: Run, folder: Path) -> None:
    clouds = folder / "clouds.yaml"
    auth = {"username": "demo", "password": "demos"}
    clouds.write_text(yaml.safe_dump({"clouds": {"stillage": {"auth": auth}, "mine": {"auth": dict(auth)}}}))
    token = run("token").strip()
    run("user", "password", "demo", "--password-stdin", given="changed\n")
    with pytest.raises(Unauthenticated):
        principal_of(folder, token)
    written = yaml.safe_load(clouds.read_text())["clouds"]
    assert (written["stillage"]["auth"]["password"], written["mine"]["auth"]["password"]) == ("changed", "demos")
    assert clouds.stat().st_mode & 0o777 == 0o600


def test_a_changed_password_makes_no_clouds_yaml(run: Run, folder: Path) -> None:
    run("user", "password", "demo", "--password-stdin", given="changed\n")
    assert not (folder / "clouds.yaml").exists()


def test_a_password_is_never_taken_from_the_command_line(folder: Path) -> None:
    result = CliRunner().invoke(app, ["user", "create", "erin", "--password", "pw", "--data", str(folder)])
    assert result.exit_code == 2


def test_without_a_terminal_the_way_to_give_a_password_is_said(run: Run) -> None:
    with pytest.raises(InvalidInput, match="--password-stdin"):
        run("user", "create", "erin")


@pytest.mark.parametrize(
    ("arguments", "given", "error", "said"),
    [
        (["token", "--user", "nobody"], None, NotFound, "'nobody'"),
        (["token", "--project", "nowhere"], None, NotFound, "'nowhere'"),
        (["user", "create", "demo", "--password-stdin"], "pw\n", AlreadyExists, "'demo'"),
        (["user", "create", "erin", "--password-stdin"], "\n", InvalidInput, "1 to 1024"),
        (["user", "create", "a\nb", "--password-stdin"], "pw\n", InvalidInput, "invisible characters"),
        (["user", "disable", "nobody"], None, NotFound, "'nobody'"),
        (["project", "create", "demo"], None, AlreadyExists, "'demo'"),
        (["project", "grant", "demo", "demo", "--role", "two words"], None, InvalidInput, "role"),
        (["project", "revoke", "demo", "demo", "--role", "admin"], None, NotFound, "admin"),
    ],
)
def test_errors_name_what_was_wrong(
    run: Run, arguments: list[str], given: str | None, error: type[StillageError], said: str
) -> None:
    with pytest.raises(error, match=said):
        run(*arguments, given=given)


def test_a_folder_without_a_database_stays_as_it_is(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["token", "--data", str(tmp_path)])
    assert isinstance(result.exception, BadSettings)
    assert "stillage serve" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["token", "user list", "project create lab", "accesskey list"])
def test_where_users_are_keystones_the_commands_say_so(run: Run, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STILLAGE_KEYSTONE_URL", "http://cloud.test:5000/v3")
    monkeypatch.setenv("STILLAGE_KEYSTONE_USERNAME", "stillage")
    monkeypatch.setenv("STILLAGE_KEYSTONE_SECRET", "s")
    with pytest.raises(BadSettings, match=r"Keystone at http://cloud\.test:5000 manages users, projects and tokens;"):
        run(*command.split())


def test_an_access_key_is_made_listed_disabled_and_deleted(run: Run) -> None:
    (made,) = json.loads(run("accesskey", "create", "demo", "--project", "demo", "--description", "ci", "--json"))
    (listed,) = json.loads(run("accesskey", "list", "--user", "demo", "--json"))
    assert (listed["access"], listed["project"], listed["description"]) == (made["access"], "demo", "ci")
    assert made["secret"] not in run("accesskey", "list")
    run("accesskey", "disable", made["access"])
    assert not json.loads(run("accesskey", "list", "--json"))[0]["enabled"]
    run("accesskey", "enable", made["access"])
    assert made["access"] in run("accesskey", "delete", made["access"])
    assert json.loads(run("accesskey", "list", "--json")) == []
    with pytest.raises(NotFound):
        run("accesskey", "delete", made["access"])


def test_the_secret_of_an_access_key_is_printed_once(run: Run) -> None:
    printed = run("accesskey", "create", "demo").splitlines()
    assert [line.rpartition(" ")[0] for line in printed] == ["access key", "secret key"]
    with pytest.raises(NotFound):
        run("accesskey", "create", "nobody")


def test_a_command_with_another_secret_is_refused_until_that_is_adopted(run: Run, folder: Path) -> None:
    run("user", "list")
    (folder / "secret.key").write_bytes(b"x" * 32)
    with pytest.raises(BadSettings, match=r"not the one that this database is used with.*adopt-secret"):
        run("accesskey", "create", "demo")
    run("db", "adopt-secret")
    run("accesskey", "create", "demo")
