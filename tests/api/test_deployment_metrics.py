"""What /metrics says of the deployment: stores, images, projects, scrub, sweeps, the database and the process."""

from prometheus_client.parser import text_string_to_metric_families

from deployments import Deploy, Deployment
from stillage.api import deployment_metrics
from stillage.errors import Unavailable


async def scraped(deployment: Deployment) -> dict[str, float]:
    """Return each sample by its name and the values of its labels."""
    text = deployment_metrics.exposition(await deployment.worker.services.status.measure()).decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {" ".join([sample.name, *sample.labels.values()]): sample.value for sample in samples}


async def test_the_metrics_say_how_the_deployment_is(deploy: Deploy) -> None:
    async with deploy(max_project_bytes=1000) as deployment:
        await deployment.stored(b"some image")
        await deployment.created()
        (blob,) = (path for path in (deployment.data_folder / "blobs").rglob("*") if path.is_file())
        blob.write_bytes(b"some imaxe")
        assert [one async for one in deployment.worker.scrub(older_than_s=0)]
        await deployment.worker.services.status.report()
        found = await scraped(deployment)
    assert found["stillage_images active"] == found["stillage_images queued"] == 1
    assert found["stillage_store_used_bytes files"] == 10
    assert found["stillage_store_free_bytes files"] > 0
    assert found["stillage_store_damaged_blobs files"] == found["stillage_damaged_images"] == 1
    assert {found[name] for name in found if name.startswith("stillage_project_bytes")} == {10}
    assert {found[name] for name in found if name.startswith("stillage_project_limit_bytes")} == {1000}
    assert found["stillage_scrub_read_blobs"] == found["stillage_scrub_blobs"] == found["stillage_database_up"] == 1
    assert found["stillage_scrub_oldest_timestamp_seconds"] > 0
    assert [name for name in found if name.startswith("stillage_last_sweep_timestamp_seconds")]
    assert found["stillage_unfinished_jobs accepted"] == 0
    assert found["process_open_fds"] > 0


async def test_without_its_database_a_deployment_still_has_metrics(deploy: Deploy) -> None:
    async with deploy() as deployment:
        status = deployment.worker.services.status
        status._database = _Silent()  # type: ignore[assignment]
        found = await scraped(deployment)
    assert found["stillage_database_up"] == 0
    assert found["stillage_store_up files"] == 1
    assert not [name for name in found if name.startswith(("stillage_images", "stillage_database_seconds"))]


class _Silent:
    async def check(self) -> None:
        raise Unavailable("the database does not answer")
