"""Runs ``stillage adopt`` on the database and the stores of a deployment."""

from collections.abc import Callable

from stillage.cli.server.data_folder import DataFolder
from stillage.config import Settings
from stillage.db import Engine, blobs, glance, schema
from stillage.db.clock import clock_of
from stillage.db.leases import LeaseOwner, NodeId
from stillage.db.session import Database
from stillage.operations.adoption.adopting import Adopt, Plan
from stillage.operations.adoption.namespaces import adopt_namespace
from stillage.operations.adoption.report import Report, Result
from stillage.operations.identity.shared_secret import require_shared_secret
from stillage.operations.upkeep.sweep import Sweep
from stillage.storage import stores_of
from stillage.worker import upload_rules_of


async def adopt_all(source: Engine, settings: Settings, plan: Plan, tell: Callable[[Result], None] | None) -> Report:
    """Adopt everything that the database *source* of a Glance has. *tell*: is told of each image."""
    database = Database(settings.database)
    try:
        await _prepare(database, settings)
        stores = stores_of(settings, lambda store_id: database.read(blobs.held_by, store_id))
        try:
            clock, node = await clock_of(database), NodeId(settings.node_name or DataFolder(settings.data).node_id())
            if not plan.dry_run:  # no other process uses this folder: what an earlier run left is over
                await Sweep(database, stores, clock=clock)(dead=node)
            adopt = Adopt(
                database,
                stores,
                plan,
                rules=upload_rules_of(settings),
                max_record_bytes=settings.max_record_bytes,
                owner=LeaseOwner(node, "adopt"),
                clock=clock,
            )
            images = []
            for found in glance.read_images(source):
                images.append(await adopt(found))
                if tell is not None:
                    tell(images[-1])
            namespaces = [
                await adopt_namespace(database, *each, dry_run=plan.dry_run) for each in glance.read_namespaces(source)
            ]
            return Report(images, namespaces)
        finally:
            stores.close()
    finally:
        database.close()


async def _prepare(database: Database, settings: Settings) -> None:
    if database.engine.dialect.name == "sqlite":
        schema.upgrade(database.engine)
    else:
        schema.require_usable(database.engine)
    await require_shared_secret(database, settings.secret, settings.secret_path)
