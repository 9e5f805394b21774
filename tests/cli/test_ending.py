"""Every command ends with one sentence, a fitting status, and a document if JSON was asked for, whatever is wrong."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from typer.main import get_command

from server import free_port
from stillage import config
from stillage.cli.ending import ended
from stillage.cli.main import app
from stillage.client import clouds

# The least that each command needs; FILE is a disk, and NEW a path where nothing is.
TALKING: Mapping[str, str] = {
    "upload": "FILE",
    "import": "FILE",
    "download": "debian",
    "image save": "debian",
    "image list": "",
    "image show": "debian",
    "image set": "debian --name x",
    "image delete": "debian",
    "image share": "debian lab",
    **{f"image {name}": "debian" for name in ("deprecate", "obsolete", "reactivate", "restore", "purge")},
    "image trash": "",
    "image retention": "debian",
    "doctor": "",
}
LOCAL: Mapping[str, str] = {
    "scrub": "",
    "backup": "NEW",
    "token": "",
    **{f"user {name}": "erin" for name in ("delete", "disable", "enable")},
    "user create": "erin --password-stdin",
    "user password": "erin --password-stdin",
    "user list": "",
    **{f"project {name}": "lab" for name in ("create", "delete", "disable", "enable")},
    **{f"project {name}": "lab erin" for name in ("grant", "revoke")},
    "project list": "",
    "quota list": "",
    "quota set": "lab --images 3",
    "quota show": "lab",
    **{f"accesskey {name}": "A" * 20 for name in ("delete", "disable", "enable")},
    "accesskey create": "erin",
    "accesskey list": "",
    "metadefs load": "FILE",
    "job list": "",
    "job show": "00000000-0000-0000-0000-000000000000",
    "job cancel": "00000000-0000-0000-0000-000000000000",
    "db adopt-secret": "",
}
MAKING: Mapping[str, str] = {"serve": "--no-tls", "worker": "", "restore": "NEW", "adopt": "NEW FILE", "db upgrade": ""}
"""They make a data folder, or a database, where there is none."""
OFFLINE = frozenset({"inspect", "convert", "completion"})


class Ended(NamedTuple):
    status: int
    out: str
    error: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ended]


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, by its words."""
    context = typer.Context(command, info_name="stillage")
    if not hasattr(command, "list_commands"):
        yield " ".join(path), command
        return
    for name in command.list_commands(context):
        _, found, _ = command.resolve_command(context, [name])
        yield from leaves(found, (*path, name))


COMMANDS = dict(leaves(get_command(app)))


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """``run("image show", "debian")``: how the command ends, for somebody without any settings."""
    for name in ("OS_CLOUD", "OS_AUTH_URL", "OS_CLIENT_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Ended:
        capfd.readouterr()
        monkeypatch.setattr("sys.stdin", io.StringIO("a password\n"))
        status = ended(get_command(app), [part for word in words for part in word.split()])
        said = capfd.readouterr()
        return Ended(status, said.out, said.err)

    return run


def require_sentence(done: Ended, status: int, name: str) -> None:
    assert done.status == status, (name, done)
    assert done.error.startswith("stillage: "), (name, done)
    assert done.error.count("\n") == 1, (name, done)
    assert "Traceback" not in done.error, (name, done)
    assert "Usage" not in done.out + done.error, (name, done)


def takes_json(name: str) -> bool:
    return any("--json" in parameter.opts for parameter in COMMANDS[name].params)


def test_a_wrong_option(run: Run) -> None:
    for name in COMMANDS:
        require_sentence(done := run(name, "--no-such"), 2, name)
        assert f"see 'stillage {name} --help'" in done.error, name
        assert done.out == "", name
        require_sentence(done := run(name, "--no-such", "--json"), 2, name)
        assert (done.document["status"], done.document["code"]) == (2, "usage"), name
        assert f"stillage: {done.document['error']}\n" == done.error, name


def test_a_missing_argument_and_a_wrong_value(run: Run) -> None:
    for words, why in (
        ("upload", "missing argument"),
        ("nothing", "no such command 'nothing'"),
        ("image nothing", "no such command 'nothing'"),
        ("image list --status lost", "'lost' is not one of"),
        ("serve --workers many", "valid integer"),
        ("convert a b.unknown", "name the format"),
    ):
        require_sentence(done := run(words), 2, words)
        assert why in done.error


def test_the_tables_have_every_command() -> None:
    assert set(COMMANDS) == {*OFFLINE, *TALKING, *LOCAL, *MAKING}


def words_of(table: Mapping[str, str], folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each command of *table* with what it needs, and with ``--json`` if it knows that."""
    disk = folder / "disk.img"
    disk.write_bytes(bytes(512))
    for name, needs in table.items():
        words = f"{name} {needs}".replace("FILE", str(disk)).replace("NEW", str(folder / "new"))
        yield name, f"{words} --json" if takes_json(name) else words


def require_end(done: Ended, status: int, name: str) -> None:
    require_sentence(done, status, name)
    if takes_json(name):
        assert done.document["status"] == status, (name, done)
        assert done.document["error"] in done.error, (name, done)


def test_a_data_folder_without_a_database(run: Run, tmp_path: Path) -> None:
    for name, words in words_of(LOCAL, tmp_path):
        require_end(done := run(words, f"--data {tmp_path / 'none'}"), 1, name)
        assert "there is no database" in done.error, name


def test_a_database_that_is_none(run: Run, tmp_path: Path) -> None:
    (tmp_path / "stillage.db").write_bytes(b"not a database" * 1000)
    (tmp_path / "secret.key").write_bytes(bytes(32))
    for name, words in words_of({**LOCAL, "db upgrade": ""}, tmp_path):
        require_end(done := run(words, f"--data {tmp_path}"), 1, name)
        assert "database" in done.error, (name, done)


@pytest.mark.parametrize("place", ["file", "/proc/nothing"])
def test_a_data_folder_that_cannot_be_one(run: Run, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    for name, words in words_of({**LOCAL, **MAKING}, tmp_path):
        require_end(run(words, f"--data {tmp_path / place}"), 1, name)


def test_a_settings_file_that_is_none(run: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("listen = ")
    for name, words in words_of({**LOCAL, **MAKING}, tmp_path):
        require_end(done := run(words, f"--config {tmp_path / 'broken.toml'}"), 1, name)
        assert "broken.toml" in done.error


def test_no_cloud_an_unknown_one_and_a_broken_file_of_clouds(run: Run, tmp_path: Path) -> None:
    for broken in (False, True):
        if broken:
            (tmp_path / "clouds.yaml").write_text("{")
        for name, words in words_of(TALKING, tmp_path):
            require_end(run(words), 2, name)
            require_end(run(words, "--os-cloud nowhere"), 2, name)


def test_nobody_answers(run: Run, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    auth = {"auth_url": url, "username": "erin", "password": "x", "project_name": "lab"}
    (tmp_path / "clouds.yaml").write_text(json.dumps({"clouds": {"down": {"auth": auth}}}))
    for name, words in words_of(TALKING, tmp_path):
        wait = "" if name == "doctor" else "--give-up-after 0"
        status, out, error = run(words, "--os-cloud down", wait)
        last = error.splitlines(keepends=True)[-1]  # those before it say that it tries again
        require_end(Ended(status, out, last), 4, name)
        assert url.removeprefix("http://") in last, (name, error)


def test_ctrl_c(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "load", _interrupt)
    monkeypatch.setattr(clouds, "choose", _interrupt)
    for name, words in words_of({**TALKING, **LOCAL, **MAKING}, tmp_path):
        require_end(done := run(words), 130, name)
        assert "interrupted; " in done.error, name


def test_what_is_offline_says_what_is_wrong_too(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.toml").write_text("listen = ")
    (tmp_path / "disk.img").write_bytes(bytes(512))
    for words in ("inspect disk.img", "convert disk.img new.qcow2"):
        name = words.split()[0]
        done = run(words, "--config broken.toml --json")
        assert done.status == 2
        assert "broken.toml" in done.document["error"], name
    monkeypatch.setattr("stillage.cli.converting.local_rules", _interrupt)
    require_end(done := run("convert disk.img new.qcow2 --json"), 130, "convert")
    assert not (tmp_path / "new.qcow2").exists()
    monkeypatch.setattr("stillage.cli.inspecting.local_rules", _interrupt)
    require_end(run("inspect disk.img --json"), 130, "inspect")


def _interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
