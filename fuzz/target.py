"""What libFuzzer calls, in a process of its own; ``python -m fuzz`` starts it."""

import sys

import atheris

with atheris.instrument_imports(include=["stillage.formats"]):
    from fuzz.promises import keep
    from stillage.formats.catalogue import FORMATS

from fuzz.packing import unpack
from fuzz.repairing import repaired


def main() -> None:
    name = sys.argv.pop(1)
    formats = FORMATS if name == "all" else tuple(m for m in FORMATS if m.__name__.rpartition(".")[2] == name)  # type: ignore[attr-defined]

    # Half of the images keep the checksums that the fuzzer made of them: a wrong one is input as well.
    def one_input(packed: bytes) -> None:
        image = unpack(packed)
        keep(repaired(image) if len(packed) % 4 else image, formats)

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
