"""Where the audit goes, as the settings say: the log, the database, a file and a webhook."""

from collections.abc import Callable
from datetime import datetime

from stillage.audit.file import AuditFile
from stillage.audit.ring import Ring
from stillage.audit.trail import Dropped, Sink, Trail
from stillage.audit.webhook import Webhook
from stillage.config import Settings
from stillage.db.leases import LeaseOwner
from stillage.db.session import Database
from stillage.images.access import Access
from stillage.operations.audit import Audit, Kept
from stillage.outgoing.peer import HttpPeer

WEBHOOK_S = 10.0  # for an answer; no request waits for it


def audit_of(settings: Settings, database: Database, access: Access, clock: Callable[[], datetime]) -> Audit:
    """Return what keeps the latest events, and shows them."""
    return Audit(database, access=access, kept=Kept(settings.audit_events, settings.audit_keep_s), clock=clock)


def trail_of(
    settings: Settings,
    audit: Audit,
    dropped: Callable[[str], Dropped],
    owner: LeaseOwner,
    clock: Callable[[], datetime],
) -> Trail:
    """Return what records changes. *dropped*: counts what a sink loses, by the sink's name."""
    sinks: list[Sink] = []
    if settings.audit_events:
        sinks.append(Ring(audit.keep, dropped=dropped("database")))
    if settings.audit_file is not None:
        sinks.append(AuditFile(settings.audit_file, dropped=dropped("file")))
    if settings.audit_webhook is not None:
        url = settings.audit_webhook.get_secret_value()
        sinks.append(Webhook(HttpPeer(url, "the audit webhook", timeout_s=WEBHOOK_S), dropped=dropped("webhook")))
    return Trail(sinks, node=owner.node or "stillage", clock=clock)
