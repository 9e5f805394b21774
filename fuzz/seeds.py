"""``python -m fuzz.seeds``: makes ``fuzz/corpus`` from the samples, small, and still found to be what they are."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from examining import examine  # noqa: E402 - needs the path
from fuzz.packing import LIMIT_VHDX, pack  # noqa: E402
from samples import entries, load  # noqa: E402

CORPUS = ROOT / "fuzz" / "corpus"
LARGEST = 16 << 10
STEPS = (1 << 20, 64 << 10, 4096, 512)


def main() -> None:
    for entry in entries():
        image = load(entry["file"])
        if len(image) > LIMIT_VHDX or "amplify" in entry["file"]:
            continue
        packed = pack(_blanked(image))
        if len(packed) > LARGEST:
            continue
        folder = CORPUS / str(entry["disk_format"] or "foreign")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / entry["file"]).write_bytes(packed)


def _blanked(image: bytes) -> bytes:
    """*image* with zeros wherever that changes no finding: what the guest sees is nobody's business."""
    expected = examine(image)
    if len(pack(image)) <= 2048:
        return image
    blank = bytearray(image)
    for step in STEPS:
        for start in range(0, len(blank), step):
            kept = bytes(blank[start : start + step])
            if not kept.strip(b"\0"):
                continue
            blank[start : start + step] = bytes(len(kept))
            if examine(bytes(blank)) != expected:
                blank[start : start + step] = kept
    return bytes(blank)


if __name__ == "__main__":
    main()
