"""The settings of the audit: where events go."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator


class AuditSettings(BaseModel, defer_build=True):
    """Where what changes something is recorded, beside the log; see [the audit](audit.md)."""

    audit_file: Path | None = Field(None, description="file for the audit, one JSON line per event (docs/audit.md)")
    audit_webhook: SecretStr | None = Field(None, description="https:// URL to which audit events are POSTed as JSON")

    @field_validator("audit_webhook")
    @classmethod
    def _is_safe(cls, value: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(value.get_secret_value() if value else "")
        near = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
        if value and (not parts.hostname or not (near or parts.scheme == "https")):
            raise ValueError("must be an https:// URL; http:// is allowed for this machine only")
        return value or None
