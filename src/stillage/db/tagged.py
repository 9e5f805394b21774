"""Images of a project by the keys and values of their tags. Plain functions of a connection."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, and_, exists, func, not_, or_, select

from stillage.db.images import COLUMNS, image_of
from stillage.db.list_sources import LISTED
from stillage.db.rules import Clause
from stillage.db.tables import image_tags, images
from stillage.ids import ProjectId
from stillage.images.image import Image
from stillage.images.keyed_tags import joined
from stillage.images.tag_query import KeyMatch, TagQuery


def tags_of(connection: Connection, owner: ProjectId) -> Sequence[str]:
    """Return every tag of the project's images, once."""
    its_own = image_tags.join(images, images.c.id == image_tags.c.image_id)
    tags = select(image_tags.c.tag).select_from(its_own).where(LISTED, images.c.owner == owner).distinct()
    return connection.execute(tags).scalars().all()


def count(connection: Connection, owner: ProjectId, query: TagQuery) -> int:
    return connection.execute(select(func.count()).select_from(images).where(*_conditions(owner, query))).scalar_one()


def page(connection: Connection, owner: ProjectId, query: TagQuery) -> list[Image]:
    """Return the images of one page, the newest first."""
    order = images.c.created_at.desc(), images.c.id.desc()
    found = select(*COLUMNS).where(*_conditions(owner, query)).order_by(*order)
    return [image_of(row) for row in connection.execute(found.limit(query.limit).offset(query.offset))]


def _conditions(owner: ProjectId, query: TagQuery) -> Iterable[Clause]:
    yield LISTED
    yield images.c.owner == owner
    if query.untagged:
        yield ~_any_tag()
    else:
        yield from _of_tags(query)
    if query.image_id is not None:
        yield images.c.id == query.image_id
    if query.name == "":
        yield func.coalesce(images.c.name, "") == ""
    elif query.name is not None:
        # LIKE ignores case on one engine only.
        yield func.replace(images.c.name, query.name, "") != images.c.name


def _of_tags(query: TagQuery) -> Iterable[Clause]:
    yield from map(_has, query.all_of)
    if query.any_of:
        yield or_(*map(_has, query.any_of))
    if query.not_all_of:
        yield not_(and_(*map(_has, query.not_all_of)))
    yield from (~_has(match) for match in query.none_of)


def _has(match: KeyMatch) -> Clause:
    tag = image_tags.c.tag
    if match.values:
        return _any_tag(tag.in_([joined(match.key, value) for value in match.values]))
    return _any_tag(or_(tag == match.key, func.substr(tag, 1, len(match.key) + 1) == f"{match.key}="))


def _any_tag(*conditions: Clause) -> Clause:
    return exists().where(image_tags.c.image_id == images.c.id, *conditions).correlate(images)
