"""A worker that cannot be built leaves nothing behind: no thread, no task, no open database."""

import asyncio
import shutil
import threading
from pathlib import Path

import pytest

from stillage.config import load
from stillage.errors import BadSettings
from stillage.worker import build_worker


async def test_what_was_built_is_closed_if_the_rest_cannot_be(migrated_sqlite: Path, tmp_path: Path) -> None:
    shutil.copy(migrated_sqlite, tmp_path / "stillage.db")
    (tmp_path / "secret.key").write_bytes(bytes(32))
    settings = load(data=tmp_path, tls=False, import_ca=tmp_path / "nothing.pem")
    threads = set(threading.enumerate())
    with pytest.raises(BadSettings, match=r"nothing\.pem"):
        async with build_worker(settings):
            pass
    await asyncio.get_running_loop().shutdown_default_executor()
    assert set(threading.enumerate()) <= threads
    assert asyncio.all_tasks() == {asyncio.current_task()}
