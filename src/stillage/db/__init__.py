"""Metadata at rest. The one place for SQL."""
