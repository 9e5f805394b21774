"""Metadata at rest. The one place for SQL."""

from sqlalchemy import Connection

# For whoever joins functions of `db` to one unit of work and must not know SQLAlchemy.
__all__ = ["Connection"]
