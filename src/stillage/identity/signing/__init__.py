"""Signed requests (AK/SK)."""
