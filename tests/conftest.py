"""Fixtures that more than one layer needs. A test that asks for a database runs on every engine."""

import ctypes
import gc
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from fakes import Clock, CountingHasher, cheap_passwords
from postgres import PostgresServer, postgres_server
from proc_files import peak_memory
from stillage.db import schema
from stillage.db.session import Database, make_engine
from stillage.identity.passwords import Passwords
from stillage.operations.identity.accounts import Accounts
from stillage.operations.identity.embedded import EmbeddedIdentity
from stillage.operations.identity.guard import FailureLimit

# A busy machine is no failure: nothing here depends on the clock.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# A shell starts what it puts in the background with Ctrl-C ignored, and so would be the commands that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
mallopt = getattr(ctypes.CDLL(None), "mallopt", lambda _parameter, _value: 0)
malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda _kept: 0)
# While modules are imported a large block has a mapping of its own, and leaves no hole; one heap serves all threads.
mallopt(M_MMAP_THRESHOLD, 256 << 10)
mallopt(M_ARENA_MAX, 1)

ENGINES = ["sqlite", "postgresql"]
# What the tests of one process may hold at most: sample images and bodies are made when a test needs them. All modules
# and tests take 430 MiB, and what the largest tests leave in the heap differs between machines by 100.
MOST_MEMORY = 5 << 28
# The files that take longest, longest first: one that began last would keep a whole run waiting for itself.
LONGEST = (
    "e2e/test_crash.py", "e2e/test_doctor_behind_nginx.py", "browser/test_uploads.py", "browser/test_dock.py",
    "e2e/test_herd.py", "e2e/test_chaos.py", "e2e/test_failover_session.py", "e2e/test_power_cut.py",
    "contract/test_order_of_locks.py", "api/images/test_openapi.py", "e2e/test_bench.py", "e2e/test_backup.py",
    "e2e/test_upload.py", "api/test_receiving.py", "e2e/test_disks.py", "contract/test_uploads.py",
    "e2e/test_upload_resuming.py", "oracle/test_qcow2_oracle.py", "e2e/test_resuming.py", "e2e/test_slow_clients.py",
    "e2e/test_memory.py", "e2e/test_nodes.py", "contract/test_usage.py", "e2e/test_chunked_bodies.py",
    "contract/test_uploads_in_s3.py", "contract/test_upload_rights.py", "conformance/test_docs.py",
)  # fmt: skip


@pytest.hookimpl(trylast=True)  # Hypothesis allows it from its own start on
def pytest_sessionstart() -> None:
    """Let Hypothesis list what UTF-8 can say, which takes 200 MB once, before anything else is there."""
    st.characters(codec="utf-8").validate()


@pytest.hookimpl(trylast=True)  # what is not chosen is gone by then
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest files begin first. The others stay in their order, in which the short ones come last."""
    folder = Path(__file__).parent
    places = {folder / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Thousands of tests and all modules stay until the end: the garbage collector need not look at them again."""
    gc.collect()
    gc.freeze()
    # From here on images of a few MiB come and go with every test: a mapping for each costs as much CPU as the test.
    mallopt(M_MMAP_THRESHOLD, 8 << 20)
    mallopt(M_TRIM_THRESHOLD, 32 << 20)


@pytest.fixture(scope="module", autouse=True)
def garbage_goes() -> Iterator[None]:
    """Bodies in cycles are few objects and many bytes, which the collector does not see."""
    yield
    gc.collect()
    malloc_trim(0)


@pytest.fixture(scope="module", autouse=True)
def log_stays_as_it_is() -> Iterator[None]:
    """A log that a test sets up as a command does outlives its standard error, and fails tests of other files."""
    yield
    assert not structlog.get_config()["cache_logger_on_first_use"], "this file set up the log and left it so"


@pytest.fixture(scope="session", autouse=True)
def memory_stays_small() -> Iterator[None]:
    yield
    assert peak_memory(os.getpid()) < MOST_MEMORY


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy."""
    path = tmp_path_factory.mktemp("migrated") / "stillage.sqlite"
    engine = make_engine(f"sqlite:///{path}")
    schema.upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated, empty database of this test's own."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            path = shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "stillage.sqlite")
            yield f"sqlite:///{path}"
        else:
            yield stack.enter_context(request.getfixturevalue("postgres").migrated())


@pytest.fixture(params=ENGINES)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without any table."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            yield f"sqlite:///{tmp_path / 'empty.sqlite'}"
        else:
            yield stack.enter_context(request.getfixturevalue("postgres").fresh("template0"))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hasher() -> CountingHasher:
    return CountingHasher()


@pytest.fixture
def passwords(hasher: CountingHasher) -> Iterator[Passwords]:
    passwords = cheap_passwords(hasher)
    yield passwords
    passwords.close()


@pytest.fixture
def accounts(database: Database, passwords: Passwords, clock: Clock) -> Accounts:
    return Accounts(database, passwords, clock=clock)


@pytest.fixture
def identity(database: Database, passwords: Passwords, clock: Clock) -> EmbeddedIdentity:
    return EmbeddedIdentity(
        database, passwords, secret=bytes(32), clock=clock, limit=FailureLimit(count=3, window_s=60)
    )
