"""For each alert rule the time series that make it fire, one sample a minute, as `promtool test rules` reads them."""

CONDITIONS: dict[str, list[tuple[str, str]]] = {
    "StillageDown": [('up{job="stillage", instance="a"}', "0x30")],
    "StillageDatabaseDown": [('stillage_database_up{instance="a"}', "0x30")],
    "StillageDatabaseSlow": [('stillage_database_seconds{instance="a"}', "0.9x30")],
    "StillageStoreDown": [('stillage_store_up{store="files"}', "0x30")],
    "StillageStoreAlmostFull": [
        ('stillage_store_free_bytes{store="files"}', "5x30"),
        ('stillage_store_used_bytes{store="files"}', "95x30"),
    ],
    "StillageStoreFull": [('stillage_uploads_total{outcome="storage_full"}', "_x25 1x5")],
    "StillageDamage": [('stillage_store_damaged_blobs{store="files"}', "1x30")],
    "StillageScrubBehind": [("stillage_scrub_oldest_timestamp_seconds", "-6000000x200")],
    "StillageSweepsStopped": [('stillage_last_sweep_timestamp_seconds{node="n", process="0"}', "0x30")],
    "StillageProjectAlmostFull": [
        ('stillage_project_bytes{project="p"}', "95x30"),
        ('stillage_project_limit_bytes{project="p"}', "100x30"),
    ],
    "StillageErrors": [
        ('stillage_requests_total{status="500", instance="a"}', "0+10x30"),
        ('stillage_requests_total{status="200", instance="a"}', "0+10x30"),
    ],
    "StillageAuditDropped": [('stillage_audit_dropped_total{sink="file"}', "_x25 1x5")],
    "StillageJobsWait": [('stillage_unfinished_jobs{state="accepted"}', "50x60")],
    "StillageOpenFiles": [
        ('process_open_fds{job="stillage"}', "900x30"),
        ('process_max_fds{job="stillage"}', "1000x30"),
    ],
}
