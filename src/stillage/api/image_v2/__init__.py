"""OpenStack Image API v2."""
