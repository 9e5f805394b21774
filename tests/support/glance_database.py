"""A database and a folder as a Glance leaves them, made without one: `test_glance_adopt.py` has the real thing."""

import hashlib
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, create_engine, insert

from stillage.db import glance

CREATED, UPDATED = datetime(2024, 5, 1, 12, 0, 1), datetime(2025, 6, 2, 13, 0, 2, 345678)  # noqa: DTZ001 - as Glance has them


class GlanceDatabase:
    """Its images belong to the project ``lab``, and are raw and private unless they are told otherwise."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.url = url or f"sqlite:///{folder / 'glance.db'}"
        self.files = folder / "images"
        self.files.mkdir(parents=True)
        self._ids = count(1)
        self._engine: Engine = create_engine(self.url)
        glance.images.metadata.create_all(self._engine)

    def close(self) -> None:
        self._engine.dispose()

    def add(self, data: bytes | None, *, file: str | None = None, location: str | None = None, **changes: Any) -> str:
        """Add an image, with *data* in a file called as its id or *file*; return its id."""
        image_id = str(UUID(int=next(self._ids)))
        row: dict[str, Any] = {
            "id": image_id,
            "name": image_id[-4:],
            "owner": "lab",
            "status": "active",
            "visibility": "private",
        }
        row |= {"disk_format": "raw", "container_format": "bare", "min_disk": 0, "min_ram": 0}
        row |= {"protected": False, "os_hidden": False}
        if data is None:
            row["status"] = "queued"
        else:
            (self.files / (file or image_id)).write_bytes(data)
            digests = {name: hashlib.new(name, data).hexdigest() for name in ("md5", "sha512")}
            row |= {"size": len(data), "checksum": digests["md5"]}
            row |= {"os_hash_algo": "sha512", "os_hash_value": digests["sha512"]}
            self.belong(image_id, "image_locations", value=location or f"file:///g/{file or image_id}", status="active")
        self._insert("images", row | changes)
        return image_id

    def belong(self, image_id: str, table: str, **values: Any) -> None:
        """Add a row that belongs to an image."""
        self._insert(table, {"id": next(self._ids), "image_id": image_id, **values})

    def _insert(self, table: str, row: dict[str, Any]) -> None:
        values = {"deleted": False, "created_at": CREATED, "updated_at": UPDATED, **row}
        with self._engine.begin() as connection:
            connection.execute(insert(glance.images.metadata.tables[table]).values(values))

    def namespace(self, name: str) -> None:
        """Add a namespace with a definition of each kind."""
        times = {"created_at": CREATED, "updated_at": UPDATED}
        rows: dict[str, dict[str, Any]] = {
            "metadef_namespaces": {
                "id": 1,
                "namespace": name,
                "visibility": "public",
                "owner": "lab",
                "protected": False,
            },
            "metadef_objects": {"namespace_id": 1, "name": "o", "required": "p", "json_schema": f'{{"p": {STRING}}}'},
            "metadef_properties": {"namespace_id": 1, "name": "q", "json_schema": STRING},
            "metadef_tags": {"namespace_id": 1, "name": "t"},
            "metadef_resource_types": {"id": 7, "name": "OS::Nova::Server"},
            "metadef_namespace_resource_types": {"namespace_id": 1, "resource_type_id": 7, "prefix": "hw:"},
        }
        with self._engine.begin() as connection:
            for table, row in rows.items():
                connection.execute(insert(glance.images.metadata.tables[table]).values(row | times))


STRING = '{"title": "P", "type": "string"}'
