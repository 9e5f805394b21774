"""Derives policy, quotas and profile from the settings, for the server and for the commands."""

from stillage.config import Settings
from stillage.formats.safety import Policy
from stillage.images.location import Shown
from stillage.images.profile import PROFILES, Profile
from stillage.images.quota import Limits, Quotas


def profile_of(settings: Settings) -> Profile:
    return PROFILES[settings.profile]


def shown_of(settings: Settings) -> Shown:
    """Return which locations this deployment shows to the owners of images."""
    return Shown(first=settings.show_image_direct_url, all=settings.show_multiple_locations)


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
