"""The settings of the audit: where events go."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from stillage.job_settings import Seconds


class AuditSettings(BaseModel, defer_build=True):
    """Where what changes something is recorded, beside the log; see [the audit](audit.md)."""

    audit_file: Path | None = Field(None, description="file for the audit, one JSON line per event (docs/audit.md)")
    audit_webhook: SecretStr | None = Field(None, description="https:// URL to which audit events are POSTed as JSON")
    audit_events: int = Field(
        100_000, ge=0, le=10_000_000, description="latest events that GET /v2/audit can show; 0 keeps none"
    )
    audit_keep_s: Seconds = Field(90 * 86400, gt=0, description="how long GET /v2/audit can show an event")

    @field_validator("audit_webhook")
    @classmethod
    def _is_safe(cls, value: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(value.get_secret_value() if value else "")
        near = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
        if value and (not parts.hostname or not (near or parts.scheme == "https")):
            raise ValueError("must be an https:// URL; http:// is allowed for this machine only")
        return value or None
