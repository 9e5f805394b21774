"""Make sure that all nodes on one database have the same secret: access keys and upload URLs are made with it.

The database has a fingerprint of the secret that it was first used with, never the secret.
"""

import hmac
from pathlib import Path

from stillage.db import deployment
from stillage.db.session import Database
from stillage.errors import BadSettings

NAME = "secret_fingerprint"


def fingerprint_of(secret: bytes) -> str:
    return hmac.new(secret, b"stillage: fingerprint of the secret", "sha256").hexdigest()


async def require_shared_secret(database: Database, secret: bytes, path: Path) -> None:
    """Record the fingerprint of *secret*, which is in the file *path*, if the database has none.

    Raises:
        BadSettings: If it has that of another one.
    """
    ours = fingerprint_of(secret)
    if not hmac.compare_digest(await database.write(deployment.agree, NAME, ours), ours):
        raise BadSettings(
            f"the secret in {path} is not the one that this database is used with, so that access keys and upload URLs"
            " made by other nodes would not work here. Copy secret.key from the data folder of another node, or point"
            " secret_key to it; if the old secret is lost, run 'stillage db adopt-secret'"
        )


async def adopt_secret(database: Database, secret: bytes) -> None:
    """Let nodes with *secret* use the database, and no others."""
    await database.write(deployment.change, NAME, fingerprint_of(secret))
