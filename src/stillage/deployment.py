"""Derives policy, quotas and profile from the settings, for the server and for the commands; and shows the settings."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from stillage.config import Settings
from stillage.formats.safety import Policy
from stillage.images.location import Shown
from stillage.images.profile import PROFILES, Profile
from stillage.images.quota import Limits, Quotas

# In URLs: who logs in and with what, and what follows a question mark.
USERINFO = re.compile(r"(?<=//)[^/@\s]*@")
QUERY = re.compile(r"(?<=[?&])([^=&\s]*)=[^&\s]*")


def profile_of(settings: Settings) -> Profile:
    return PROFILES[settings.profile]


def shown_of(settings: Settings) -> Shown:
    """Return which locations this deployment shows to the owners of images."""
    return Shown(first=settings.show_image_direct_url, all=settings.show_multiple_locations)


def authority_of(settings: Settings) -> str | None:
    """Return the authority whose certificate the server uses; None if it is not its own."""
    path = settings.data / "tls" / "ca.pem"
    is_own = settings.tls and settings.tls_certificate is None
    return path.read_text() if is_own and path.exists() else None


def quotas_of(settings: Settings) -> Quotas:
    """Return what projects may use that have no limits of their own, and what this node may."""
    project = Limits(
        settings.max_project_bytes,
        settings.max_project_images,
        settings.max_project_uploads,
        settings.max_project_jobs,
    )
    return Quotas(project=project, node=Limits(uploads=settings.max_node_uploads))


def policy_of(settings: Settings) -> Policy:
    """Return which images this deployment refuses."""
    profile = profile_of(settings)
    return Policy(
        require_format_match=settings.require_format_match,
        max_virtual_size=settings.max_virtual_size,
        allowed=settings.allowed_rules,
        interchangeable=profile.interchangeable,
        min_disk_binds=profile.min_disk_binds,
    )


def shown_settings_of(settings: Settings) -> Sequence[Mapping[str, Any]]:
    """Return all settings by name, as administrators are shown them: with their meaning, and without secrets."""
    values = settings.model_dump(mode="json")
    return [_shown(name, values[name], settings) for name in sorted(Settings.model_fields)]


def _shown(name: str, value: Any, settings: Settings) -> Mapping[str, Any]:
    field = Settings.model_fields[name]
    is_secret = "SecretStr" in str(field.annotation)
    return {
        "name": name,
        "value": None if is_secret else _without_secrets(value),
        "meaning": field.description or "",
        "set": name in settings.model_fields_set and getattr(settings, name) != field.default,
        "secret": is_secret,
    }


def _without_secrets(value: Any) -> Any:
    """Return *value* without the credentials that URLs in it have."""
    if isinstance(value, str):
        return QUERY.sub(r"\1=…", USERINFO.sub("…@", value)) if "://" in value else value
    if isinstance(value, list):
        return [_without_secrets(part) for part in value]
    if isinstance(value, Mapping):
        return {name: _without_secrets(part) for name, part in value.items()}
    return value
