"""What we accept has, in QEMU's reading, no second file and the size that we report: told the format or probing for it.

Images of every kind are changed and put together in any way. Those that would be accepted are opened with `qemu-img
info` in a folder that has the image and one other file, whose name is the only one ever written into an image.
`STILLAGE_DIFFERENTIAL_EXAMPLES` says how many of each kind; `make differential` tries 2,000 and prints a table.
"""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings

from disk_mutations import Mutant, mutants
from disk_seeds import KINDS, RAW_ONLY, SECOND_FILE, Kind
from examining import examine
from stillage.formats.safety import Declaration, Policy, format_found, refusal
from stillage.formats.stream import Findings

pytestmark = [pytest.mark.oracle, pytest.mark.differential, pytest.mark.thorough]

ORDINARY = 200
EXAMPLES = int(os.environ.get("STILLAGE_DIFFERENTIAL_EXAMPLES", ORDINARY))
PIECE = 64 << 10
LARGEST_CYLINDER = 255 * 255 * 512
RAW = Kind(("raw",), "raw", RAW_ONLY, list, ())

Info = dict[str, Any]


@pytest.mark.parametrize("name", KINDS)
def test_qemu_sees_what_we_accept(name: str, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    kind = KINDS[name]
    counts: Counter[str] = Counter()
    (tmp_path / SECOND_FILE).write_bytes(bytes(1 << 20))

    # The same ones in every ordinary run: new ones are for the long run, which somebody watches.
    @settings(max_examples=EXAMPLES, derandomize=EXAMPLES <= ORDINARY, suppress_health_check=list(HealthCheck))
    @given(mutant=mutants(kind))
    def each(mutant: Mutant) -> None:
        image = mutant.build(kind)
        findings = examine(image, size=len(image))
        # What is changed so much that it is nothing any more is a raw disk, and must be one to QEMU too.
        reading = next((reading for reading in (kind, RAW) if is_accepted(findings, reading)), None)
        counts["refused" if reading is None else "accepted" if reading is kind else "accepted as raw"] += 1
        if reading is not None:
            counts["unopened"] += not compare(reading, image, findings, tmp_path)

    each()
    record_property("differential", (name, dict(counts)))


def is_accepted(findings: Findings, kind: Kind) -> bool:
    """Whether the image would be accepted, and as one of *kind*: raw bytes may be declared to be a ploop too."""
    as_raw = format_found(findings).format in ("raw", "iso")
    accepted = any(refusal(findings, Declaration(name), Policy()) is None for name in kind.declared)
    return accepted and as_raw == (kind.driver == "raw")


def compare(kind: Kind, image: bytes, findings: Findings, folder: Path) -> bool:
    """Compare with what QEMU sees; return whether it opens the image when it is told the format, if it knows that."""
    path = folder / "image"
    write(path, image)
    size = format_found(findings).virtual_size
    note(f"accepted as {' or '.join(kind.declared)} with {size} bytes; file of {len(image)}")
    told = info(path, kind.driver) if kind.driver else None
    if told:
        check(told, path)
        assert size is not None
        assert told["virtual-size"] == size or _is_rounded(kind, size - told["virtual-size"])
    probed = info(path, None)
    # Raw is what any file can be opened as: who probes and fails has found another format.
    assert probed or not (told or "raw" in kind.probed)
    if probed:
        assert probed["format"] in kind.probed
        check(probed, path)
        assert told is None or probed["format"] != told["format"] or probed["virtual-size"] == told["virtual-size"]
    return told is not None or kind.driver is None


def write(path: Path, image: bytes) -> None:
    """Write *image* with holes where it has zeros."""
    with path.open("wb") as file:
        file.truncate(len(image))
        for at in range(0, len(image), PIECE):
            piece = image[at : at + PIECE]
            if piece.strip(b"\0"):
                file.seek(at)
                file.write(piece)


def _is_rounded(kind: Kind, larger: int) -> bool:
    """Of the two sizes of a VHD the larger one is reported; QEMU takes that of the geometry."""
    return kind.driver == "vpc" and 0 < larger < LARGEST_CYLINDER


def check(seen: Info, path: Path) -> None:
    note(json.dumps(seen))
    assert not [key for key in _keys(seen) if "backing" in key or "data-file" in key]
    assert set(_filenames(seen)) == {str(path)}


def _keys(seen: Any) -> Iterator[str]:
    if isinstance(seen, dict):
        yield from seen
    for inner in _inside(seen):
        yield from _keys(inner)


def _filenames(seen: Any) -> Iterator[str]:
    if isinstance(seen, dict):
        yield from (value for key, value in seen.items() if key == "filename")
    for inner in _inside(seen):
        yield from _filenames(inner)


def _inside(seen: Any) -> list[Any]:
    return list(seen.values()) if isinstance(seen, dict) else seen if isinstance(seen, list) else []


def info(path: Path, driver: str | None) -> Info | None:
    """What `qemu-img info` says, told the driver or probing; None if it does not open the image."""
    told = ["-f", driver] if driver else []
    command = ["qemu-img", "info", "--output=json", *told, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, cwd=path.parent)
    if done.returncode:
        note(done.stderr)
        assert SECOND_FILE not in done.stderr
        return None
    seen: Info = json.loads(done.stdout)
    return seen
