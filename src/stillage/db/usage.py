"""What projects and nodes use, one row for each, changed in the transaction that changes what it counts.

A change locks the row until the transaction ends, so that of ten requests that race for the last place one wins. A node
that uses nothing has no row: nodes come and go.
"""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, select, text

from stillage.db.leases import LeaseOwner
from stillage.db.prepared import Prepared
from stillage.db.tables import usage
from stillage.errors import QuotaExceeded, TooManyUploads
from stillage.images.quota import Limits, Usage, scope_of_node

# The same SQL on SQLite and PostgreSQL, for which SQLAlchemy has different constructs. One statement: between two,
# another transaction could remove the row.
CHANGE = Prepared(
    text("""
    INSERT INTO "usage" (scope, bytes, images, uploads) VALUES (:scope, :bytes, :images, :uploads)
    ON CONFLICT (scope) DO UPDATE SET bytes = "usage".bytes + excluded.bytes,
        images = "usage".images + excluded.images, uploads = "usage".uploads + excluded.uploads
    RETURNING bytes, images, uploads, max_bytes, max_images, max_uploads
""").columns(*(usage.c[name] for name in ("bytes", "images", "uploads", "max_bytes", "max_images", "max_uploads")))
)
DROP = delete(usage).where(usage.c.scope == bindparam("scope"))
FIND = select(usage.c.bytes, usage.c.images, usage.c.uploads).where(usage.c.scope == bindparam("scope"))
NO_LIMITS = Limits()


def find(connection: Connection, scope: str) -> Usage:
    row = connection.execute(FIND, {"scope": scope}).first()
    return Usage() if row is None else Usage(row[0], row[1], row[2])


def change(connection: Connection, scope: str, by: Usage, limits: Limits | None = None) -> None:
    """Add *by*, whose numbers may be negative, to what *scope* uses.

    Args:
        connection: Of the transaction.
        scope: A project or a node.
        by: What is added.
        limits: Of the settings; the scope's own go before them. None compares with no limit at all.

    Raises:
        QuotaExceeded, TooManyUploads: If that passes a limit; the transaction has to be rolled back.
    """
    if by == Usage():
        return
    row = {"scope": scope, "bytes": by.bytes, "images": by.images, "uploads": by.uploads}
    [changed] = CHANGE.run(connection, row)
    using, own = Usage(*changed[:3]), Limits(*changed[3:])
    if limits is not None and (refusal := _refusal(scope, using, by, own.over(limits))) is not None:
        raise refusal
    if using == Usage() and scope.startswith(scope_of_node("")):
        connection.execute(DROP, {"scope": scope})


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


def _refusal(scope: str, using: Usage, by: Usage, limits: Limits) -> Exception | None:
    """Return the error if *using*, of which *by* is new, is more than *limits*."""
    # Only what is increased: an operator may have set a limit below what is in use.
    if (most := _exceeded(limits.uploads, using.uploads, by.uploads)) is not None:
        return TooManyUploads(scope.partition(":")[0], most)
    if (most := _exceeded(limits.images, using.images, by.images)) is not None:
        return QuotaExceeded("images", most, using.images - by.images, by.images)
    if (most := _exceeded(limits.bytes, using.bytes, by.bytes)) is not None:
        return QuotaExceeded("bytes", most, using.bytes - by.bytes, by.bytes)
    return None


def _exceeded(limit: int | None, using: int, by: int) -> int | None:
    """Return *limit* if it is one, and *using*, of which *by* is new, is more."""
    return limit if limit is not None and limit >= 0 and by > 0 and using > limit else None
