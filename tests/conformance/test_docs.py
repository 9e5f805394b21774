"""The snippets of docs/clients.md, word by word."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from clients import Account, executable
from server import Server

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
SNIPPETS = re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(title.split()[0], language, code, id=f"{title.split()[0]}-{number}")
    for title, text in SNIPPETS
    for number, (language, code) in enumerate(re.findall(r"```(sh|python)\n(.*?)```", text, re.DOTALL))
]


@pytest.fixture(scope="module")
def folder(server: Server, olga: Account, disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a reader of the page is: a disk, and a second cloud for the other project."""
    place = tmp_path_factory.mktemp("reader")
    (place / "disk.img").write_bytes(disk.read_bytes())
    clouds = server.data_folder / "clouds.yaml"
    before = clouds.read_text()
    document = yaml.safe_load(before)
    mine = document["clouds"]["stillage"]
    auth = mine["auth"] | {"username": olga.user, "password": olga.password, "project_name": olga.project}
    document["clouds"]["other"] = mine | {"auth": auth}
    clouds.write_text(yaml.safe_dump(document))
    yield place
    clouds.write_text(before)


@pytest.mark.parametrize(("title", "language", "code"), BLOCKS)
def test_snippets_do_what_they_say(
    server: Server, olga: Account, folder: Path, title: str, language: str, code: str
) -> None:
    commands = ":".join(str(Path(executable(f"{name}client", name)).parent) for name in ("openstack", "glance"))
    variables = {
        "DATA": str(server.data_folder),
        "URL": server.url,
        "PASSWORD": server.clouds["stillage"]["auth"]["password"],
        "OTHER_PROJECT": olga.project_id,
        "OS_CLIENT_CONFIG_FILE": str(server.data_folder / "clouds.yaml"),
        "PATH": f"{commands}:{Path(sys.executable).parent}:{olga.environment['PATH']}",
        **({} if title == "glance" else {"OS_CLOUD": "stillage"}),
    }
    words = ["env", *(f"{name}={value}" for name, value in variables.items())]
    unset = [
        word for name in olga.environment if name.startswith("OS_") and name not in variables for word in ("-u", name)
    ]
    words[1:1] = unset
    script = folder / f"snippet.{language}"
    script.write_text(code)
    command = ["sh", "-eu", str(script)] if language == "sh" else [executable("openstacksdk", "python"), str(script)]
    done = olga.run(*words, *command, folder=folder)
    assert done.out
    copy = folder / "copy.img"
    if "copy.img" in code:
        assert copy.read_bytes() == (folder / "disk.img").read_bytes()
        copy.unlink()
