"""`stillage metadefs load`: definitions from files, such as Glance's own."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stillage.cli.main import app
from stillage.db import metadefs
from stillage.db.session import make_engine
from stillage.errors import BadSettings, InvalidInput
from stillage.images.metadefs.definitions import Contents, Kind, Namespace


@pytest.fixture
def data(tmp_path: Path, migrated_sqlite: Path) -> Path:
    shutil.copy(migrated_sqlite, tmp_path / "stillage.db")
    return tmp_path


def write(folder: Path, name: str, **document: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({"namespace": name, **document}))
    return folder


def load(what: Path, data: Path, *options: str) -> str:
    done = CliRunner().invoke(app, ["metadefs", "load", str(what), "--data", str(data), *options])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def same(namespace: Namespace | None) -> Namespace:
    assert namespace is not None
    return namespace


def shown(data: Path, name: str) -> Contents:
    engine = make_engine(f"sqlite:///{data / 'stillage.db'}")
    try:
        with engine.connect() as connection:
            return metadefs.show(connection, name, same)
    finally:
        engine.dispose()


def test_each_file_of_a_folder_is_a_namespace(data: Path, tmp_path: Path) -> None:
    files = write(tmp_path / "files", "a", visibility="public", protected=True, tags=[{"name": "t"}], objects=[])
    write(files, "b")
    assert load(files, data) == "namespace a loaded\nnamespace b loaded\n"
    contents = shown(data, "a")
    assert (contents.namespace.protected, contents.namespace.owner) == (True, None)
    assert [tag.name for tag in contents.of(Kind.TAG)] == ["t"]


def test_what_is_here_stays_unless_it_is_to_be_replaced(data: Path, tmp_path: Path) -> None:
    load(write(tmp_path / "files", "a", protected=True, tags=[{"name": "old"}]), data)
    files = write(tmp_path / "files", "a", tags=[{"name": "new"}])
    assert "--replace" in load(files, data)
    assert [tag.name for tag in shown(data, "a").of(Kind.TAG)] == ["old"]
    assert load(files / "a.json", data, "--replace") == "namespace a loaded\n"
    assert [tag.name for tag in shown(data, "a").of(Kind.TAG)] == ["new"]


@pytest.mark.parametrize("text", ["{", "[]", '{"namespace": 1}', '{"namespace": "a", "self": "/"}', "\udcff"])
def test_nothing_is_stored_if_a_file_is_invalid(data: Path, tmp_path: Path, text: str) -> None:
    files = write(tmp_path / "files", "a")
    (files / "b.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidInput, match=r"b\.json"):
        load(files, data)
    with pytest.raises(AssertionError):
        shown(data, "a")


def test_a_folder_without_files_is_a_mistake(data: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match=r"no \.json file"):
        load(tmp_path / "empty", data)
    with pytest.raises(InvalidInput, match="cannot read"):
        load(tmp_path / "nothing", data)
    with pytest.raises(BadSettings, match="stillage serve"):
        load(write(tmp_path / "files", "a"), tmp_path / "nothing")
