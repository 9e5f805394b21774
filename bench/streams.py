"""``python -m bench.streams``: what 500 open streams of events cost a server at rest, of one user and of 500.

The server is the real one, with SQLite. Its memory is compared with that before the streams, its CPU time with that of
the same time without any.
"""

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, insert, select

from bench.targets import cpu_seconds
from stillage.accounts.secrets import digest_of, new_audit_id, new_token
from stillage.accounts.token import NewToken
from stillage.db import tokens
from stillage.db.session import make_engine
from stillage.db.tables.accounts import role_assignments, users
from stillage.ids import ProjectId, UserId

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from server import Server  # noqa: E402 - needs the path

MIB = 1 << 20
MOST_MIB, MOST_CPU = 50, 0.02
"""The bars: memory of all streams together, and the part of a core at rest."""
TOGETHER = 50
"""Streams that are opened at once."""


@dataclass(frozen=True)
class Figures:
    """What streams cost. *cpu*: the part of a core beyond that of a server without streams."""

    users: int
    streams: int
    mib: float
    cpu: float

    @property
    def missed(self) -> list[str]:
        bars = {
            f"{self.mib:.0f} MiB; {MOST_MIB} is the bar": self.mib <= MOST_MIB,
            f"{self.cpu:.1%} of a core; {MOST_CPU:.0%} is the bar": self.cpu <= MOST_CPU,
        }
        return [said for said, is_good in bars.items() if not is_good]


def new_tokens(server: Server, count: int) -> list[str]:
    """Return tokens of so many new users, written into the server's database: to hash passwords would take a minute."""
    engine = make_engine(f"sqlite:///{server.data_folder / 'stillage.db'}")
    with engine.begin() as connection:
        made = [_new_token(connection, number) for number in range(count)]
    engine.dispose()
    return made


def _new_token(connection: Connection, number: int) -> str:
    now, token, user_id = datetime.now(UTC), new_token(), secrets.token_hex(16)
    demo = connection.execute(select(users).where(users.c.name == "demo")).mappings().one()
    connection.execute(insert(users).values({**demo, "id": user_id, "name": f"streams {number} {user_id}"}))
    project_id = demo["default_project_id"]
    connection.execute(insert(role_assignments).values(user_id=user_id, project_id=project_id, role="member"))
    end, methods = now + timedelta(hours=1), ("password",)
    new = NewToken(digest_of(token), new_audit_id(), UserId(user_id), ProjectId(project_id), methods, now, end)
    tokens.issue(connection, new)
    return token


@asynccontextmanager
async def streams(server: Server, of: Sequence[str]) -> AsyncIterator[None]:
    """Open a stream with each token of *of*, and read what comes."""
    reading: list[asyncio.Task[None]] = []
    for at in range(0, len(of), TOGETHER):
        opened = await asyncio.gather(*(_open(server, token) for token in of[at : at + TOGETHER]))
        reading += [asyncio.create_task(_read(reader)) for reader, _ in opened]
    try:
        yield
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)


async def _open(server: Server, token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(*server.address)
    writer.write(f"GET /v2/events HTTP/1.1\r\nHost: {server.address[0]}\r\nX-Auth-Token: {token}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    return reader, writer


async def _read(reader: asyncio.StreamReader) -> None:
    while await reader.read(4096):
        pass
    raise EOFError("the server ended a stream")


async def measured(server: Server, of: Sequence[str], seconds: float) -> Figures:
    rest = await cpu_of(server, seconds)
    before = resident(server)
    async with streams(server, of):
        cpu = await cpu_of(server, seconds)
        mib = (resident(server) - before) / MIB
    return Figures(len(set(of)), len(of), mib, max(0.0, cpu - rest))


async def cpu_of(server: Server, seconds: float) -> float:
    """Return which part of a core *server* used in so many seconds."""
    before = cpu_seconds(server.pid)
    await asyncio.sleep(seconds)
    return (cpu_seconds(server.pid) - before) / seconds


def resident(server: Server) -> int:
    """Return the resident bytes of the server and its workers."""
    pids = {server.pid, *server.workers}
    lines = (Path(f"/proc/{pid}/status").read_text().splitlines() for pid in pids)
    return sum(int(line.split()[1]) * 1024 for each in lines for line in each if line.startswith("VmRSS"))


def lines(figures: Figures) -> Iterator[str]:
    yield f"{figures.streams} streams of {figures.users} users"
    yield f"  {figures.mib:.1f} MiB < {MOST_MIB}, {figures.cpu:.2%} of a core < {MOST_CPU:.0%}"
    yield from (f"  MISSED: {missed}" for missed in figures.missed)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.streams", description=__doc__)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60, help="of each measurement; default: 60")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = []
    for users_count in (1, args.streams):
        with tempfile.TemporaryDirectory(prefix="stillage-bench-") as name:
            server = Server(Path(name) / "home")
            try:
                server.start()
                of = new_tokens(server, users_count)
                found.append(asyncio.run(measured(server, of * (args.streams // users_count), args.seconds)))
            finally:
                server.close()
    print(json.dumps([asdict(each) for each in found]) if args.json else "\n".join(s for f in found for s in lines(f)))
    return 0 if args.json or not any(each.missed for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
