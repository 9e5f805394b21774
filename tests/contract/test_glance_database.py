"""The database of a Glance is read alike from every engine that it may have, and not written."""

from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from glance_database import GlanceDatabase
from stillage.db import glance
from stillage.images.glance import GlanceImage


def test_what_glance_has_is_read(tmp_path: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glance, "AT_ONCE", 2)  # so that there are several batches
    with closing(GlanceDatabase(tmp_path / "glance", empty_database_url)) as made:
        ids = [made.add(b"data", name=f"image {number}") for number in range(3)]
        made.add(b"data", status="deleted", deleted=True)
        made.add(b"data", status="pending_delete")
        made.belong(ids[1], "image_properties", name="os_distro", value="debian")
        made.belong(ids[1], "image_tags", value="gone", deleted=True)
        made.namespace("N")
        with glance.open_glance(empty_database_url.replace("+psycopg", "")) as engine:
            found: list[GlanceImage] = list(glance.read_images(engine))
            ((document, *_),) = glance.read_namespaces(engine)
            with engine.connect() as connection, pytest.raises(DBAPIError, match=r"read.?only"):
                connection.execute(text("DELETE FROM images"))
    assert [(each.id, each.name) for each in found] == [(ids[number], f"image {number}") for number in range(3)]
    assert [each.properties for each in found] == [{}, {"os_distro": "debian"}, {}]
    assert [list(each.tags) for each in found] == [[], [], []]
    assert document["resource_type_associations"] == [{"name": "OS::Nova::Server", "prefix": "hw:"}]
    assert document["objects"][0]["required"] == ["p"]
