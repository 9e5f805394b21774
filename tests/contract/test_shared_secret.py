"""All nodes on one database have the same secret, on every engine."""

import asyncio
from pathlib import Path

from sqlalchemy import select

from stillage.db.session import Database
from stillage.db.tables import deployment
from stillage.errors import BadSettings
from stillage.operations.identity.shared_secret import require_shared_secret

FIRST, OTHER = b"1" * 32, b"2" * 32
PATH = Path("secret.key")


async def test_of_nodes_that_start_together_those_with_the_first_secret_do(database: Database) -> None:
    secrets = [FIRST, OTHER] * 3
    starts = (require_shared_secret(database, secret, PATH) for secret in secrets)
    results = await asyncio.gather(*starts, return_exceptions=True)
    started = {secret for secret, error in zip(secrets, results, strict=True) if error is None}
    assert len(started) == 1
    assert [type(error) for error in results if error is not None] == [BadSettings] * 3


async def test_the_database_does_not_have_the_secret(database: Database) -> None:
    await require_shared_secret(database, FIRST, PATH)
    values = await database.read(lambda connection: connection.execute(select(deployment.c.value)).scalars().all())
    assert values
    assert not any(FIRST.decode() in value or FIRST.hex() in value for value in values)
