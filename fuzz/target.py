"""What libFuzzer calls, in a process of its own; ``python -m fuzz`` starts it."""

import sys

import atheris

# What decides, sums and carries the bytes is many times slower instrumented, and its branches guide nobody.
with atheris.instrument_imports(
    include=["stillage.formats"],
    exclude=[f"stillage.formats.{name}" for name in ("safety", "stream", "printable", "codecs.crc32c")],
):
    from fuzz.promises import keep
    from fuzz.reading import keep_reading
    from stillage.formats.registry import FORMATS

from fuzz.__main__ import DISK
from fuzz.packing import unpack
from fuzz.remembering import remember
from fuzz.repairing import repair


def main() -> None:
    name = sys.argv.pop(1)
    remember()
    formats = FORMATS if name == "all" else tuple(module for module in FORMATS if name == module.FORMAT)

    # Half of the images keep the checksums that the fuzzer made of them: a wrong one is input as well.
    def one_input(packed: bytes) -> None:
        image = unpack(packed)
        if len(packed) % 4:
            repair(image)
        if name.startswith(DISK):
            keep_reading(image, name.removeprefix(DISK))
        else:
            keep(image, formats)

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
