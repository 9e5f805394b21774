"""A real S3 server for tests: SeaweedFS, all roles in one process, with a bucket; one for all processes of a test run.

The first process that needs it starts it. It ends with the run, whose process a `tail` watches: none of the workers of
pytest-xdist knows which one is the last. A test that kills it has an `OwnS3Server`.

With ``STILLAGE_S3=ceph`` it is Ceph's RADOS gateway instead (`ceph.sh`), which is stricter, older and slower to start.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from server import free_port
from stillage.s3_limits import SMALLEST_PART
from stillage.stores.s3.blobs import S3Store
from stillage.stores.s3.settings import S3Settings

WEED = Path(sys.prefix) / "bin" / "weed"
ACCESS, SECRET = "stillage", "stillage-secret"
BUCKET = "images"
DOMAIN = "s3.test"
"""A server at this name has its buckets as hosts below it."""
WITHIN_S = 120.0
VOLUME_MB = 1024
IS_CEPH = os.environ.get("STILLAGE_S3") == "ceph"
CEPH = Path(__file__).with_name("ceph.sh")
WATCHED = """
"$@" >log 2>&1 </dev/null &
weed=$!
tail --pid="$WATCHED" -f /dev/null
kill -9 $weed
cd / && rm -rf "$FOLDER"
"""


@cache
def endpoint() -> str:
    """Return the URL of the server, which runs."""
    run = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    folder = Path(tempfile.gettempdir()) / f"stillage-s3-{run}"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = folder / "endpoint"
        if not known.exists():
            known.write_text(_started(folder, run))
        return known.read_text()


@cache
def session() -> botocore.session.Session:
    """Return a session with the server's credentials. What it has read serves all clients."""
    return session_with(ACCESS, SECRET)


def session_with(access: str, secret: str) -> botocore.session.Session:
    made = botocore.session.Session()
    made.set_credentials(access, secret)
    return made


def settings(**changes: Any) -> S3Settings:
    """Return settings of a store of its own, in a bucket that all tests share."""
    values: dict[str, Any] = {
        "bucket": BUCKET, "prefix": f"{uuid4().hex}/", "endpoint": endpoint(), "part_size": SMALLEST_PART,
        "region": "us-east-1", "sign_payload": False,
    }  # fmt: skip
    return S3Settings(**values | changes)


def s3_store(_folder: Path) -> S3Store:
    """Return an empty store whose parts are small."""
    return S3Store(settings(), session())


def contents(store: S3Store) -> Mapping[str, int]:
    """Return the size of every object of *store*, by its key."""
    return {stored.key: stored.size for stored in store.client.objects("")[0]}


class OwnS3Server:
    """A server in a folder of its own, which may crash and come back with its data at the same address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = _free_ports(8)
        self.endpoint = f"http://127.0.0.1:{self._ports[3]}"
        _prepare(folder)

    def start(self) -> None:
        """Start it, and return when it serves."""
        self._shell = _launch(self._folder, self._ports, os.getpid())
        _wait_until_it_serves(self.endpoint, self._folder)

    def crash(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait()


@contextmanager
def own_s3_server() -> Iterator[OwnS3Server]:
    """A server that runs, for one test."""
    with tempfile.TemporaryDirectory(prefix="stillage-s3-", ignore_cleanup_errors=True) as folder:
        server = OwnS3Server(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.crash()


def _started(folder: Path, run: int) -> str:
    if IS_CEPH:
        return _started_ceph(folder, run)
    _prepare(folder)
    ports = _free_ports(8)
    server = _launch(folder, ports, run)
    server.returncode = 0  # it outlives us: nobody waits for it
    url = f"http://127.0.0.1:{ports[3]}"
    _wait_until_it_serves(url, folder)
    return url


def _started_ceph(folder: Path, run: int) -> str:
    monitor, osd, gateway = (free_port() for _ in range(3))
    keys = {"ACCESS": ACCESS, "SECRET": SECRET, "WATCHED": str(run), "FOLDER": str(folder / "ceph")}
    ports = {"MON_PORT": str(monitor), "OSD_PORT": str(osd), "RGW_PORT": str(gateway)}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [CEPH], env={"PATH": f"{os.environ['PATH']}:/usr/sbin", **keys, **ports}, stdout=log, stderr=log,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    server.returncode = 0
    url = f"http://127.0.0.1:{gateway}"
    _wait_until_it_serves(url, folder)
    return url


def _prepare(folder: Path) -> None:
    identity = {"name": "tests", "credentials": [{"accessKey": ACCESS, "secretKey": SECRET}], "actions": ["Admin"]}
    (folder / "identities.json").write_text(json.dumps({"identities": [identity]}))
    (folder / "data").mkdir()


def _launch(folder: Path, ports: list[int], watched: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        ["/bin/sh", "-c", WATCHED, "weed", str(WEED), *_arguments(folder, *ports)],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "WATCHED": str(watched), "FOLDER": str(folder)},
        start_new_session=True,
    )


def _arguments(folder: Path, *ports: int) -> list[str]:
    """Every port is named: the defaults of side roles would clash when two of these run at once."""
    master, volume, filer, s3, *grpc = ports
    return [
        "-logtostderr=true", "server", f"-dir={folder}/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        f"-master.port={master}", f"-master.port.grpc={grpc[0]}", f"-master.volumeSizeLimitMB={VOLUME_MB}",
        "-master.volumePreallocate=false", "-master.telemetry=false", "-master.electionTimeout=1s",
        "-master.heartbeatInterval=100ms", f"-volume.port={volume}", f"-volume.port.grpc={grpc[1]}", "-volume.max=0",
        "-volume.minFreeSpacePercent=1", "-volume.preStopSeconds=0", "-filer", f"-filer.localSocket={folder}/filer",
        f"-filer.port={filer}", f"-filer.port.grpc={grpc[2]}", "-s3", f"-s3.port={s3}", f"-s3.port.grpc={grpc[3]}",
        "-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.localSocket={folder}/s3", "-s3.autoCreateBucket=false",
        f"-s3.config={folder}/identities.json", "-iam=false",
        f"-s3.domainName={DOMAIN}",
    ]  # fmt: skip


def _free_ports(count: int) -> list[int]:
    """None that the kernel hands out: until the server has them, another test could get one."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


def _wait_until_it_serves(url: str, folder: Path) -> None:
    """Its port opens before it can write, so wait until there is a bucket and an object in it."""
    made: Any = session().create_client(
        "s3", "us-east-1", endpoint_url=url, config=Config(retries={"total_max_attempts": 1}, read_timeout=5)
    )
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        try:
            with suppress(made.exceptions.BucketAlreadyOwnedByYou, made.exceptions.BucketAlreadyExists):
                made.create_bucket(Bucket=BUCKET)
            made.put_object(Bucket=BUCKET, Key=".ready", Body=b"")
        except (BotoCoreError, ClientError):
            time.sleep(0.1)
        else:
            made.close()
            return
    log = (folder / "log").read_text(errors="replace")
    shutil.rmtree(folder)
    raise RuntimeError(f"the S3 server does not serve; its log ends with\n{log[-2000:]}")
