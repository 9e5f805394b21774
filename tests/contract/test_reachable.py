"""What the log says of a store that cannot be used."""

from structlog.testing import capture_logs

import s3_server
from s3_server import session, settings
from stillage.operations.upkeep.reachable import report_unreachable
from stillage.stores.catalog import NamedStore, Stores
from stillage.stores.s3.blobs import S3Store
from stores import FILES


async def test_a_store_that_cannot_be_used_is_logged_with_the_reason() -> None:
    store = S3Store(settings(bucket="nowhere"), session())
    with capture_logs() as logged:
        await report_unreachable(Stores([NamedStore(FILES, store, "s3", "")], default=FILES))
    store.close()
    (line,) = logged
    assert (line["log_level"], line["store"]) == ("error", "files")
    assert "the bucket does not exist; create it, or correct the setting" in line["why"]
    assert s3_server.SECRET not in str(line)
