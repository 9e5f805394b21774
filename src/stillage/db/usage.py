"""What projects and nodes use, one row for each, changed in the transaction that changes what it counts.

A transaction that checks a limit locks the row first, so that of ten requests that race for the last place one wins.
"""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select, text, update

from stillage.db.leases import LeaseOwner
from stillage.db.tables import usage
from stillage.errors import QuotaExceeded, TooManyUploads
from stillage.images.quota import Limits, Usage, scope_of_node

# The same SQL on SQLite and PostgreSQL, for which SQLAlchemy has different constructs.
BEGIN_ROW = text('INSERT INTO "usage" (scope, bytes, images, uploads) VALUES (:scope, 0, 0, 0) ON CONFLICT DO NOTHING')
FIND = select(usage.c.bytes, usage.c.images, usage.c.uploads).where(usage.c.scope == bindparam("scope"))
NO_LIMITS = Limits()


def find(connection: Connection, scope: str) -> Usage:
    row = connection.execute(FIND, {"scope": scope}).first()
    return Usage() if row is None else Usage(row[0], row[1], row[2])


def change(connection: Connection, scope: str, by: Usage, limits: Limits = NO_LIMITS) -> None:
    """Add *by*, whose numbers may be negative, to what *scope* uses.

    Raises:
        QuotaExceeded, TooManyUploads: If that would pass one of *limits*; nothing is changed then.
    """
    connection.execute(BEGIN_ROW, {"scope": scope})
    if limits != NO_LIMITS:
        used = Usage(*connection.execute(FIND.with_for_update(), {"scope": scope}).one())
        if (refusal := _refusal(scope, used, by, limits)) is not None:
            raise refusal
    values = {name: usage.c[name] + getattr(by, name) for name in ("bytes", "images", "uploads")}
    connection.execute(update(usage).where(usage.c.scope == scope).values(values))


def change_uploads_of_nodes(
    connection: Connection,
    *,
    ended: Sequence[LeaseOwner] = (),
    begun: Sequence[LeaseOwner] = (),
    limits: Limits = NO_LIMITS,
) -> None:
    """Count uploads that have *ended* and *begun* on the nodes of their lease owners, sorted to avoid deadlocks.

    Raises:
        TooManyUploads: If a node would exceed its limit.
    """
    changes: Counter[str] = Counter()
    changes.update(scope_of_node(owner.node) for owner in begun)
    changes.subtract(scope_of_node(owner.node) for owner in ended)
    for scope in sorted(changes):
        change(connection, scope, Usage(uploads=changes[scope]), limits)


def _refusal(scope: str, used: Usage, by: Usage, limits: Limits) -> Exception | None:
    # Only what is increased: an operator may have set a limit below what is in use.
    if limits.uploads is not None and 0 < by.uploads > limits.uploads - used.uploads:
        return TooManyUploads(scope.partition(":")[0], limits.uploads)
    if limits.images is not None and 0 < by.images > limits.images - used.images:
        return QuotaExceeded("images", limits.images, used.images, by.images)
    if limits.bytes is not None and 0 < by.bytes > limits.bytes - used.bytes:
        return QuotaExceeded("bytes", limits.bytes, used.bytes, by.bytes)
    return None
