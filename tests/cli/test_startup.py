"""What commands import, each in an interpreter of its own: no command of the client starts the server's modules."""

import gc
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.testing import CliRunner

from stillage import __version__
from stillage.cli import garbage
from stillage.cli.lazy import loaded
from stillage.cli.main import Commands, app

SERVER = (
    "aiohttp.web", "aiohttp.web_protocol", "sqlalchemy", "alembic", "structlog", "prometheus_client", "uvloop",
    "stillage.app", "stillage.worker", "stillage.api", "stillage.db", "stillage.jobs", "stillage.operations",
    "stillage.stores",
)  # fmt: skip
UNUSED = (
    "psycopg", "sqlalchemy.dialects.postgresql", "sqlalchemy.orm", "boto3", "botocore", "alembic", "cryptography",
    "multiprocessing.pool", "unittest", "rich.console", "pygments",
)  # fmt: skip
"""Of a server with SQLite and files. Each costs every worker memory for as long as it runs."""
LISTED = (
    "--help",
    "--version",
    "upload --help",
    "download --help",
    "import --help",
    "image --help",
    "image list --help",
    "doctor --help",
    "inspect --help",
    "inspect {file} --json --disk-format raw",
    "convert --help",
    "convert {file} made.qcow2 --json --disk-format raw",
)
REACHED = (
    "upload --no-inspect --cloud nowhere {file}",
    "upload --cloud nowhere {file}",
    "download --cloud nowhere x",
    "image list --cloud nowhere",
    "import --cloud nowhere {file}",
)
RUN = """
import json, sys
from stillage.cli.start import run
sys.argv = ["stillage", *json.loads(sys.argv[1])]
try:
    run()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""

SERVING = """
import json, pathlib, sys
import stillage.cli.server.serve
from stillage.cli.server import certificate
certificate.ensure(pathlib.Path(sys.argv[1]), ["localhost"])
from stillage.config import Settings
from stillage.store_settings import KINDS
built = [model.__name__ for model in (Settings, *KINDS) if model.__pydantic_complete__]
print(json.dumps([list(sys.modules), built]))
"""

TRUSTING = """
import asyncio, pathlib, ssl, sys
import stillage.cli.server
import aiohttp
from stillage.cli.server import certificate

async def answer(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 204 No Content\\r\\nConnection: close\\r\\n\\r\\n")
    writer.close()

async def main():
    made = certificate.ensure(pathlib.Path(sys.argv[1]), ["localhost"])
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(made.chain, made.key)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    async with aiohttp.ClientSession() as client:
        for host in ("localhost", "127.0.0.1"):
            try:
                print((await client.get(f"https://{host}:{port}/")).status)
            except aiohttp.ClientConnectorCertificateError:
                print("refused")

asyncio.run(main())
"""


def imported_by(command: str, folder: Path) -> set[str]:
    file = folder / "disk.raw"
    file.write_bytes(bytes(512))
    words = command.format(file=file).split()
    environment = {"HOME": str(folder), "PATH": "/usr/bin"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(words)], cwd=folder, env=environment, capture_output=True, check=False
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("command", LISTED)
def test_a_command_that_asks_nobody_imports_neither_a_server_nor_a_client(command: str, tmp_path: Path) -> None:
    modules = imported_by(command, tmp_path)
    assert "stillage.cli.main" in modules
    assert modules & {*SERVER, "aiohttp", "yaml", "cryptography"} == set()


def test_a_plain_conversion_imports_neither_typer_nor_the_settings(tmp_path: Path) -> None:
    modules = imported_by("convert {file} made.qcow2 --json", tmp_path)
    assert (tmp_path / "made.qcow2").exists()
    assert modules & {*SERVER, "typer", "rich.console", "pydantic", "stillage.config"} == set()


def test_a_disk_that_its_format_maps_is_copied_without_threads_and_without_what_compresses(tmp_path: Path) -> None:
    (tmp_path / "full.raw").write_bytes(b"full" * 128)
    imported_by("convert full.raw made.qcow2 --json", tmp_path)
    modules = imported_by("convert made.qcow2 back.raw --json", tmp_path)
    assert (tmp_path / "back.raw").read_bytes() == b"full" * 128
    assert modules & {"concurrent.futures", "logging", "hashlib", "uuid", "stillage.formats.packing.packers"} == set()


def test_a_plain_inspection_imports_neither_typer_nor_the_settings(tmp_path: Path) -> None:
    modules = imported_by("inspect {file}", tmp_path)
    assert "stillage.cli.inspecting" in modules
    assert modules & {*SERVER, "typer", "pydantic", "stillage.config"} == set()


@pytest.mark.parametrize("command", REACHED)
def test_a_command_of_the_client_imports_no_server(command: str, tmp_path: Path) -> None:
    modules = imported_by(command, tmp_path)
    assert "stillage.client.session" in modules
    assert modules & {*SERVER} - {"uvloop"} == set()


def test_a_server_imports_nothing_that_it_may_not_need(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SERVING, tmp_path / "tls"], capture_output=True, check=True)
    modules, built = json.loads(done.stdout)
    assert "stillage.cli.server.worker" in modules
    assert {*modules} & {*UNUSED} == set()
    assert built == [], "validators, which a worker that gets its settings from its parent does not use"


def test_a_server_trusts_whom_the_machine_trusts_though_it_reads_them_late(tmp_path: Path) -> None:
    environment = {"SSL_CERT_FILE": str(tmp_path / "tls" / "ca.pem")}
    command = [sys.executable, "-c", TRUSTING, str(tmp_path / "tls")]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert done.stdout.split() == [b"204", b"refused"]  # its certificate is for localhost


def test_a_server_collects_garbage_as_usual_but_not_in_what_it_started_with() -> None:
    usual = gc.get_threshold()
    try:
        garbage.start()
        assert gc.get_threshold() != usual
        garbage.settle()
        assert gc.get_threshold() == usual
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.set_threshold(*usual)


def test_help_and_version_read_no_settings(tmp_path: Path) -> None:
    for command in ("--help", "--version", "upload --help"):
        assert imported_by(command, tmp_path) & {"pydantic", "stillage.config"} == set(), command


@pytest.mark.parametrize("name", Commands.table)
def test_the_list_says_of_a_command_what_its_own_help_says_first(name: str) -> None:
    row = Commands.table[name]
    first = (loaded(name, row).help or "").partition("\n\n")[0]
    assert " ".join(first.split()) == row.help


def completed(line: str, folder: Path) -> tuple[list[str], set[str]]:
    """Return what bash would offer for the last word of *line*, and what was imported to know it."""
    asked = {"_STILLAGE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    environment = {"HOME": str(folder), "PATH": "/usr/bin", **asked}
    done = subprocess.run([sys.executable, "-c", RUN, "[]"], env=environment, capture_output=True, check=False)
    return done.stdout.decode().split(), set(json.loads(done.stderr.splitlines()[-1]))


def test_a_shell_completes_commands_options_and_values_without_a_server(tmp_path: Path) -> None:
    for line, offered in (
        ("stillage upl", "upload"),
        ("stillage image sh", "share"),
        ("stillage upload --if", "--if-changed"),
        ("stillage image list --visibility comm", "community"),
    ):
        words, modules = completed(line, tmp_path)
        assert offered in words, line
        assert modules & {*SERVER, "aiohttp", "yaml"} == set(), line


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_asks_the_command(shell: str) -> None:
    done = CliRunner().invoke(app, ["completion", shell])
    assert done.exit_code == 0
    assert f"_STILLAGE_COMPLETE=complete_{shell}" in done.output
    assert CliRunner().invoke(app, ["completion", "cmd"]).exit_code == 2


def test_the_version_is_printed() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"stillage {__version__}\n")


def test_the_groups_stay_groups() -> None:
    assert isinstance(loaded("db", Commands.table["db"]), TyperGroup)
