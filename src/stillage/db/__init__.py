"""Metadata at rest. The one place for SQL."""

from sqlalchemy import Connection, Engine

# For `operations`, which join functions of `db` to one unit of work and do not import SQLAlchemy.
__all__ = ["Connection", "Engine"]
