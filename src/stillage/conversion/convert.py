"""Converts a disk into a new file of another format."""

from functools import partial

from stillage.conversion.pool import Pool
from stillage.conversion.progress import Progress
from stillage.conversion.pushing import Pushing
from stillage.conversion.scan import data_of
from stillage.conversion.source import Source
from stillage.conversion.wanted import Wanted
from stillage.conversion.write import Writer
from stillage.errors import ContentRejected
from stillage.formats.block_map import BlockMap
from stillage.formats.packing.base import Made
from stillage.formats.safety import EMPTY
from stillage.formats.views import outputs as views


def convert(source: Source, wanted: Wanted, target: int, made: Made, pool: Pool, progress: Progress) -> None:
    """Write the disk of *source* as *wanted* to the empty file *target*.

    Raises:
        ContentRejected: If there are no bytes.
        DiskDoesNotFit: If the format cannot hold it; before anything is written, as a rule.
        MalformedImage: If the disk cannot be read.
        OSError: If a file cannot be read or written.
    """
    if not source.reader.size:
        raise ContentRejected("the disk has no bytes; there is nothing to convert", rule=EMPTY.id)
    progress = Pushing(progress, target)
    if wanted.packing is None:
        _write_view(source, wanted, target, made, pool, progress)
    else:
        from stillage.conversion.write_packed import write_packed  # noqa: PLC0415 - see there

        write_packed(source, wanted.packing, target, made, pool, progress)


def _write_view(source: Source, wanted: Wanted, target: int, made: Made, pool: Pool, progress: Progress) -> None:
    size = source.reader.size
    make = partial(views.view_of, wanted.disk_format, wanted.subformat, size, identity=made.identity, made_at=made.at)
    make(data=BlockMap(size, []))  # what is too large for the format is so without data, and need not be read
    if source.is_mapped:
        data = BlockMap(size, source.data())
    else:
        progress.begin("scanning", size)
        data = BlockMap(size, data_of(source, pool, progress.advance))
    view = make(data=data)
    progress.begin("writing", size)
    Writer(source, data, target).run(view.pieces(0, view.size), pool, progress.advance)
