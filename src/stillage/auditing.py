"""Where the audit goes, as the settings say: the log, a file and a webhook."""

from collections.abc import Callable
from datetime import datetime

from stillage.audit.file import AuditFile
from stillage.audit.trail import Dropped, Sink, Trail
from stillage.audit.webhook import Webhook
from stillage.config import Settings
from stillage.db.leases import LeaseOwner
from stillage.outgoing.peer import HttpPeer

WEBHOOK_S = 10.0  # for an answer; no request waits for it


def trail_of(
    settings: Settings, dropped: Callable[[str], Dropped], owner: LeaseOwner, clock: Callable[[], datetime]
) -> Trail:
    """Return what records changes. *dropped*: counts what a sink loses, by the sink's name."""
    sinks: list[Sink] = []
    if settings.audit_file is not None:
        sinks.append(AuditFile(settings.audit_file, dropped=dropped("file")))
    if settings.audit_webhook is not None:
        url = settings.audit_webhook.get_secret_value()
        sinks.append(Webhook(HttpPeer(url, "the audit webhook", timeout_s=WEBHOOK_S), dropped=dropped("webhook")))
    return Trail(sinks, node=owner.node or "stillage", clock=clock)
