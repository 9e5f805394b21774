"""Keep metadata definitions: namespaces, and the objects, properties, tags and resource types in them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog

from stillage.accounts.principal import Principal
from stillage.db import metadefs as db
from stillage.db.session import Database
from stillage.errors import NotFound
from stillage.images.access import Access
from stillage.images.metadefs.access import ADD, MODIFY, READ_ALL, READ_ONE, REMOVE, REMOVE_ALL, MetadefAccess
from stillage.images.metadefs.definitions import RESOURCE_TYPES, Contents, Definition, Kind, Namespace
from stillage.images.metadefs.query import NamespaceQuery, Page
from stillage.images.metadefs.requests import contents_of, definition_of, definitions_of, namespace_of

log = structlog.get_logger()

EVERYTHING = tuple(READ_ALL.values())


class Metadefs:
    """Each method raises NotFound if the principal may not see the namespace, Forbidden if they may not do this."""

    def __init__(self, database: Database, *, access: Access, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._access = MetadefAccess(access)
        self._clock = clock

    # Namespaces

    async def create(self, principal: Principal, document: Mapping[str, Any]) -> Contents:
        """Store the namespace that *document* describes with everything in it, or nothing.

        Raises:
            InvalidInput, TooLarge: As `images.metadefs.requests`, and if there would be too many.
            AlreadyExists: If the name is taken.
        """
        now = self._clock()
        namespace, definitions = namespace_of(document, principal.project_id, now), contents_of(document, now)
        contents = Contents(namespace, sorted(definitions, key=lambda each: (each.kind, each.name)))
        self._access.require_add(principal, {each.kind for each in definitions})
        await self._database.write(db.add, contents)
        log.debug("namespace created", namespace=namespace.name)
        return contents

    async def page(self, principal: Principal, query: NamespaceQuery) -> Sequence[Contents]:
        """Return a page of namespaces with the resource types that are associated with them, and nothing else."""
        viewer = self._access.viewer(principal)
        check = self._access.check(principal, query.page.marker or "")
        return await self._database.read(db.page, query, viewer, check)

    async def show(self, principal: Principal, name: str) -> Contents:
        return await self._database.read(db.show, name, self._access.check(principal, name, *EVERYTHING))

    async def update(self, principal: Principal, name: str, document: Mapping[str, Any]) -> Namespace:
        """Replace what a namespace says of itself; what *document* leaves out gets its default, as in Glance."""
        after = namespace_of(document, principal.project_id, self._clock())
        check = self._access.check(principal, name, "modify_metadef_namespace")
        return await self._database.write(db.save, name, after, check)

    async def delete(self, principal: Principal, name: str) -> None:
        """Delete a namespace with everything in it. Forbidden if it is protected."""
        check = self._access.check(principal, name, "delete_metadef_namespace", deletes=True)
        await self._database.write(db.remove, name, check)
        log.debug("namespace deleted", namespace=name)

    # What is in them

    async def page_of(self, principal: Principal, name: str, kind: Kind, query: Page) -> Sequence[Definition]:
        return await self._database.read(
            db.page_of, name, kind, query, self._access.check(principal, name, READ_ALL[kind])
        )

    async def get(self, principal: Principal, name: str, kind: Kind, definition: str) -> Definition:
        check = self._access.check(principal, name, READ_ONE[kind])
        return await self._database.read(db.find, name, kind, definition, check)

    async def get_property(self, principal: Principal, name: str, prefixed: str, resource_type: str) -> Definition:
        """Return the property that *resource_type* calls *prefixed*: its own name after the association's prefix."""
        associated = await self.get(principal, name, Kind.RESOURCE_TYPE, resource_type)
        prefix = str(associated.members.get("prefix", ""))
        if not prefix or not prefixed.startswith(prefix):
            raise NotFound(f"names of properties for {resource_type[:80]!r} begin with {prefix!r}, if with anything")
        return await self.get(principal, name, Kind.PROPERTY, prefixed.removeprefix(prefix))

    async def add(self, principal: Principal, name: str, kind: Kind, document: Any) -> Definition:
        """Add the definition that *document* describes; AlreadyExists if there is one of that name."""
        made = definition_of(kind, document, self._clock())
        check = self._access.check(principal, name, ADD[kind])
        await self._database.write(db.put, name, [made], check, instead_of=None)
        return made

    async def put_tags(self, principal: Principal, name: str, documents: Any, *, append: bool) -> Sequence[Definition]:
        """Add several tags, in place of those that are there unless *append*."""
        made = definitions_of(Kind.TAG, documents, self._clock())
        check = self._access.check(principal, name, "add_metadef_tags")
        await self._database.write(db.put, name, made, check, instead_of=None if append else Kind.TAG)
        return made

    async def replace(self, principal: Principal, name: str, kind: Kind, definition: str, document: Any) -> Definition:
        """Put what *document* describes in the place of a definition, also under another name."""
        after = definition_of(kind, document, self._clock())
        check = self._access.check(principal, name, MODIFY[kind])
        return await self._database.write(db.change, name, definition, after, check)

    async def remove(self, principal: Principal, name: str, kind: Kind, definition: str) -> None:
        """Remove one definition. Forbidden if the namespace is protected."""
        check = self._access.check(principal, name, REMOVE[kind], deletes=True)
        await self._database.write(db.remove_one, name, kind, definition, check)

    async def remove_all(self, principal: Principal, name: str, kind: Kind) -> None:
        """Remove all definitions of one kind. Forbidden if the namespace is protected."""
        check = self._access.check(principal, name, *REMOVE_ALL[kind], deletes=True)
        await self._database.write(db.remove_all, name, kind, check)

    async def resource_types(self, principal: Principal) -> Mapping[str, tuple[datetime, datetime] | None]:
        """Return the resource types by name: since when they are used, and when that was last changed; None if not."""
        viewer = self._access.viewer(principal)
        used = await self._database.read(db.resource_types, viewer)
        return dict.fromkeys(RESOURCE_TYPES) | {name: (since, changed) for name, since, changed in used}
