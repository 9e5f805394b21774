"""Adopt the metadata definitions of a Glance. A namespace that is here already stays as it is."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from stillage.db import metadefs
from stillage.db.session import Database
from stillage.errors import StillageError
from stillage.images.metadefs.definitions import Contents
from stillage.images.metadefs.requests import contents_of, namespace_of
from stillage.operations.adoption.report import NamespaceResult, Outcome


async def adopt_namespace(
    database: Database, document: dict[str, Any], created_at: datetime, updated_at: datetime, *, dry_run: bool
) -> NamespaceResult:
    """Adopt the namespace that *document* describes, with all that is in it."""
    name = str(document["namespace"])
    try:
        namespace = replace(namespace_of(document, None, created_at), updated_at=updated_at)
        contents = Contents(namespace, contents_of(document, created_at))
        is_new = dry_run or await database.write(metadefs.load, contents, replaces=False)
    except StillageError as error:
        return NamespaceResult(name, Outcome.REFUSED, str(error))
    return NamespaceResult(name, Outcome.ADOPTED if is_new else Outcome.PRESENT)
