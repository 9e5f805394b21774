"""From which networks a name has logged in: a few for each, so that failures elsewhere cannot lock it out.

Names and networks are digests, as in `db.failures`. Plain functions of a connection.
"""

from datetime import datetime

from sqlalchemy import Connection, delete, select, text, update

from stillage.db.columns import UtcTime
from stillage.db.tables import known_networks as table

PER_NAME = 16
"""Networks kept for one name: the ones that it used last."""
# The same SQL on SQLite and PostgreSQL, for which SQLAlchemy has different constructs.
ADD = text("INSERT INTO known_networks (name, network, seen_at) VALUES (:name, :network, :now) ON CONFLICT DO NOTHING")


def find(connection: Connection, name: str, network: str) -> datetime | None:
    """Return when *name* was last seen to log in from *network*; None if never, or long ago."""
    pair = (table.c.name == name) & (table.c.network == network)
    return connection.execute(select(table.c.seen_at).where(pair)).scalar()


def remember(connection: Connection, name: str, network: str, now: datetime) -> None:
    pair = (table.c.name == name) & (table.c.network == network)
    if connection.execute(update(table).where(pair).values(seen_at=now)).rowcount == 1:
        return
    seen_at = UtcTime().process_bind_param(now, connection.dialect)
    connection.execute(ADD, {"name": name, "network": network, "now": seen_at})
    newest = select(table.c.network).where(table.c.name == name).order_by(table.c.seen_at.desc()).limit(PER_NAME)
    connection.execute(delete(table).where(table.c.name == name, table.c.network.not_in(newest)))


def forget_before(connection: Connection, moment: datetime) -> int:
    """Delete networks not seen since *moment*, and return how many."""
    return connection.execute(delete(table).where(table.c.seen_at < moment)).rowcount
