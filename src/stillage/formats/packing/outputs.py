"""The list of compressed outputs. `packers` says which packer makes which."""

from typing import NamedTuple


class Output(NamedTuple):
    """A compressed output.

    Attributes:
        subformat: The finer kind, as `Facts.subformat`; empty where there is one kind only.
        compression: Of a format that can also be written uncompressed; empty where there is no choice.
    """

    disk_format: str
    subformat: str = ""
    compression: str = ""

    @property
    def is_stream(self) -> bool:
        """Whether it can be sent while it is made: nothing is written over at the end."""
        return self.disk_format != "qcow2"


OUTPUTS = (
    Output("vmdk", "streamOptimized"),
    Output("qcow2", compression="zlib"),
    Output("qcow2", compression="zstd"),
    Output("zvhd"),
    Output("zvhd2"),
)
