"""Create, upload, leave, delete, patch, crash and sweep in any order, with whatever may fail failing.

The operations are the real ones, on a real database and a real store; `faulty` lets them fail. After every step the
promises are checked against the rows and the bytes (`promises`), and against what clients were told.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

import s3_server
from any_order import machine
from any_order_world import AnyStore
from postgres import PostgresServer
from stillage.db.session import Database
from stillage.stores.files.blobs import FileStore
from stillage.stores.memory import MemoryStore

pytestmark = pytest.mark.thorough

# More, and other ones every time, with `make chaos`.
EXAMPLES = int(os.environ.get("STILLAGE_CHAOS_EXAMPLES", "0"))


@pytest.mark.parametrize("kind", [MemoryStore, FileStore])
def test_the_promises_hold_in_any_order_on_sqlite(kind: type, migrated_sqlite: Path) -> None:
    def make(folder: Path) -> tuple[Database, AnyStore]:
        path = shutil.copy(migrated_sqlite, folder / "stillage.db")
        store: AnyStore = MemoryStore() if kind is MemoryStore else FileStore(folder / "blobs")
        return Database(f"sqlite:///{path}"), store

    run(make, share=3)


def test_the_promises_hold_in_any_order_on_postgresql(postgres: PostgresServer) -> None:
    def make(folder: Path) -> tuple[Database, AnyStore]:
        with postgres.migrated() as url:  # emptied when it is given out the next time
            return Database(url), FileStore(folder / "blobs")

    run(make, share=1)


def test_the_promises_hold_in_any_order_in_a_bucket(migrated_sqlite: Path) -> None:
    def make(folder: Path) -> tuple[Database, AnyStore]:
        path = shutil.copy(migrated_sqlite, folder / "stillage.db")
        return Database(f"sqlite:///{path}"), s3_server.s3_store(folder)

    run(make, share=1)


def run(make: Callable[[Path], tuple[Database, AnyStore]], *, share: int) -> None:
    run_state_machine_as_test(
        machine(make),
        settings=settings(
            max_examples=(EXAMPLES or 15) * share,
            stateful_step_count=40,
            derandomize=not EXAMPLES,
            database=None,
            deadline=None,
        ),
    )
