"""``python -m bench.inspecting``: how fast all inspectors together are, and how much memory they take."""

import random
import shutil
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

import vmdk_images  # noqa: E402 - needs the path
import zvhd_images  # noqa: E402
from samples import entries, load  # noqa: E402
from stillage.formats.registry import FORMATS  # noqa: E402
from stillage.formats.safety import Declaration, Policy, refusal  # noqa: E402
from stillage.formats.stream import Examination  # noqa: E402
from zvhd_images import BLOCK as GUEST_BLOCK  # noqa: E402
from zvhd_images import Zvhd2, continued, zvhd  # noqa: E402

MIB = 1 << 20
GB = 1e9
RUNS = 3
SECONDS = 0.3


@dataclass(frozen=True)
class Row:
    what: str
    value: float
    unit: str
    bar: float
    at_most: bool = False

    @property
    def is_met(self) -> bool:
        return self.value <= self.bar if self.at_most else self.value >= self.bar


def blocks_of(data: bytes) -> list[bytes]:
    return [data[start : start + MIB] for start in range(0, len(data), MIB)]


def examine(data: bytes, blocks: list[bytes]) -> None:
    examination = Examination(FORMATS, size=len(data))
    for block in blocks:
        examination.feed(block)
        _ = examination.findings
    examination.close(lambda offset, length: data[offset : offset + length])
    refused = refusal(examination.findings, Declaration(), Policy())
    assert refused is None, refused


def seconds(work: Callable[[], object]) -> float:
    """The best of a few runs, each long enough to be timed: what the machine does without its neighbours."""
    best = float("inf")
    for _ in range(RUNS):
        count, started = 0, time.perf_counter()
        while (spent := time.perf_counter() - started) < SECONDS or not count:
            work()
            count += 1
        best = min(best, spent / count)
    return best


def speed(data: bytes) -> float:
    blocks = blocks_of(data)
    return len(data) / seconds(lambda: examine(data, blocks)) / GB


def raw() -> bytes:
    return random.Random(1).randbytes(64 * MIB) * 4


def qcow2(cluster_bits: int, *, data_bytes: int) -> bytes:
    """A full image: header, refcounts and L1 in front, each L2 table before the clusters that it maps."""
    size = 1 << cluster_bits
    per_table = size // 8
    tables = -(-data_bytes // (per_table * size))
    l1_clusters = -(-tables * 8 // size)
    total = 3 + l1_clusters + tables * (1 + per_table)
    refcount_blocks = -(-total * 2 // size) + 8
    table_clusters = max(1, -(-refcount_blocks * 8 // size))
    blocks_at = 1 + table_clusters + l1_clusters
    at = blocks_at + refcount_blocks
    virtual = tables * per_table * size
    image = bytearray()
    l1 = []
    filler = random.Random(2).randbytes(size)
    left = -(-data_bytes // size)
    body = []
    for _ in range(tables):
        used = min(per_table, left)
        left -= used
        l1.append(at * size | 1 << 63)
        body.append(struct.pack(f">{used}Q", *((at + 1 + i) * size | 1 << 63 for i in range(used))).ljust(size, b"\0"))
        body.append(filler * used)
        at += 1 + used
    head = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        b"QFI\xfb", 3, 0, 0, cluster_bits, virtual, 0, len(l1), (1 + table_clusters) * size, size, table_clusters,
        0, 0, 0, 0, 0, 4, 104,
    )  # fmt: skip
    image += head.ljust(size, b"\0")
    places = [(blocks_at + i) * size for i in range(refcount_blocks)]
    image += struct.pack(f">{len(places)}Q", *places).ljust(table_clusters * size, b"\0")
    image += struct.pack(f">{len(l1)}Q", *l1).ljust(l1_clusters * size, b"\0")
    image += bytes(refcount_blocks * size)
    return bytes(image) + b"".join(body)


def vmdk(data: bytes, grains: int) -> bytes:
    """A stream of grains whose compressed bytes are *data*."""
    capacity = -(-grains // 512) * 512 * 128
    return _vmdk_of(range(grains), capacity, data)


def _vmdk_of(numbers: range, capacity: int, data: bytes) -> bytes:
    record = vmdk_images.grain

    vmdk_images.grain = lambda number, _=None: record(number, data)  # type: ignore[assignment]
    try:
        return vmdk_images.stream(numbers, capacity)
    finally:
        vmdk_images.grain = record


def guest(number: int) -> bytes:
    """A block whose letters must be decoded one by one: incompressible noise would only be copied."""
    letters = bytes(random.Random(number).choices(b"etaoinshrdlucmfwypvbgkjqxz ,.\n01", k=GUEST_BLOCK * 2 // 3))
    return b"".join(letters[i : i + 8192] + bytes(4096) for i in range(0, len(letters), 8192))


def converted() -> Iterator[tuple[str, bytes]]:
    """Full disks of 256 MiB as qemu-img writes them; none where it is not installed."""
    qemu = shutil.which("qemu-img")
    if qemu is None:
        print("qemu-img is not there: qcow, qed, vdi, vhd, vhdx and monolithic vmdk are left out")
        return
    with TemporaryDirectory() as folder:
        source, made = Path(folder, "raw"), Path(folder, "made")
        source.write_bytes(raw())
        for name in ("qcow", "qed", "vdi", "vpc", "vhdx", "vmdk"):
            line = [qemu, "convert", "-f", "raw", "-O", name, str(source), str(made)]
            subprocess.run(line, check=True)
            yield f"{name}, 256 MiB from qemu-img", made.read_bytes()


def rows() -> Iterator[Row]:
    yield Row("raw, random bytes", speed(raw()), "GB/s", 4)
    for name, data in structured():
        yield Row(name, speed(data), "GB/s", 1.5)
    yield from verification()
    yield Row("state of one upload, the most of all samples", peak_state() / MIB, "MiB", 8, at_most=True)
    yield Row("verdict after the block with a header's hazard", verdict_ms(), "ms", 5, at_most=True)


def structured() -> Iterator[tuple[str, bytes]]:
    yield "qcow2, clusters of 64 KiB", qcow2(16, data_bytes=256 * MIB)
    yield "qcow2, clusters of 4 KiB", qcow2(12, data_bytes=128 * MIB)
    yield "qcow2, clusters of 512 bytes", qcow2(9, data_bytes=64 * MIB)
    packed = zlib.compress(random.Random(3).randbytes(40 << 10))
    yield "vmdk streamOptimized, grains of 40 KiB", vmdk(packed, 4096)
    yield "vmdk streamOptimized, grains of 512 bytes", vmdk(zlib.compress(bytes(64 << 10)), 131072)
    yield from converted()


def verification() -> Iterator[Row]:
    blocks = [guest(number)[:GUEST_BLOCK].ljust(GUEST_BLOCK, b"\0") for number in range(8)]
    numbers = list(range(len(blocks)))
    total = len(blocks) * GUEST_BLOCK
    images = {
        "zvhd": zvhd(numbers, original=total, current=total, payloads=continued(blocks)),
        "zvhd2, zlib": _zvhd2(numbers, blocks, 0),
        "zvhd2, zstd": _zvhd2(numbers, blocks, 1),
    }
    for name, image in images.items():
        pieces = blocks_of(image)
        spent = seconds(lambda image=image, pieces=pieces: examine(image, pieces))  # type: ignore[misc]
        yield Row(f"{name}, output verified", total / spent / 1e6, "MB/s", 250)


def zstd_of(block: bytes) -> bytes:
    compress: Callable[[bytes], bytes] = vars(zvhd_images)["zstd"].compress
    return compress(block)


def _zvhd2(numbers: list[int], blocks: list[bytes], method: int) -> bytes:
    total = len(blocks) * GUEST_BLOCK
    pack = zstd_of if method else zvhd_images.deflated
    payloads = [pack(block) for block in blocks]
    return Zvhd2(numbers=numbers, original=total, current=total, method=method, payloads=payloads).image()


def peak_state() -> int:
    most = 0
    for entry in entries():
        if "amplify" in entry["file"]:
            continue
        data = load(entry["file"])
        blocks = blocks_of(data)
        tracemalloc.start()
        examination = Examination(FORMATS)
        for block in blocks:
            examination.feed(block)
        examination.close(lambda offset, length, data=data: data[offset : offset + length])  # type: ignore[misc]
        most = max(most, tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return most


def verdict_ms() -> float:
    """The slowest of the samples whose first block is enough."""
    slowest = 0.0
    for entry in entries(verdict="reject"):
        block = load(entry["file"])[:MIB].ljust(MIB, b"\0")
        declared = Declaration(entry["disk_format"])
        if entry["disk_format"] in ("zvhd", "zvhd2") or not _is_refused(block, declared):
            continue  # their payloads are expanded first
        slowest = max(slowest, min(_timed(block, declared) for _ in range(5)))
    return slowest * 1000


def _is_refused(block: bytes, declared: Declaration) -> bool:
    examination = Examination(FORMATS)
    examination.feed(block)
    return refusal(examination.findings, declared, Policy()) is not None


def _timed(block: bytes, declared: Declaration) -> float:
    examination = Examination(FORMATS)
    started = time.perf_counter()
    examination.feed(block)
    refusal(examination.findings, declared, Policy())
    return time.perf_counter() - started


def main() -> int:
    missed = 0
    print(f"{'all inspectors together':<48} {'measured':>10} {'bar':>10}")
    for row in rows():
        sign = "<" if row.at_most else ">"
        note = "" if row.is_met else "  MISSED"
        missed += not row.is_met
        print(f"{row.what:<48} {row.value:>10.2f} {sign} {row.bar:g} {row.unit}{note}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
