"""Runs ``stillage convert``: inspects the file, converts its disk, and prints the result."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from stillage.cli.convert_request import ConvertRequest
from stillage.cli.local_rules import local_rules
from stillage.cli.show.conversion import Outcome, print_outcome, view_of_outcome
from stillage.cli.show.progress import Switch, show_progress
from stillage.cli.show.texts import readable, say
from stillage.cli.statuses import INTERRUPTED, result_view, status_of
from stillage.client.errors import RefusedLocally, UnusableFile, VerificationFailed
from stillage.client.local import Identity, Rules, inspect_file, size_of
from stillage.conversion.compare import first_difference
from stillage.conversion.convert import convert
from stillage.conversion.output import NewFile
from stillage.conversion.pool import Pool
from stillage.conversion.source import Source, source_of
from stillage.conversion.wanted import Wanted, chosen
from stillage.errors import StillageError
from stillage.formats.base import MalformedImage
from stillage.formats.packing.base import Made
from stillage.formats.safety import Declaration


def convert_file(request: ConvertRequest) -> int:
    """Convert one file, print what came of it, and return the exit status."""
    outcome, problem, started = Outcome(), None, time.monotonic()
    try:
        with show_progress(quiet=request.as_json) as shown:
            shown.file = readable(request.source)
            _Conversion(request, outcome, shown, local_rules(request.config_file)).run()
    except StillageError as error:
        problem = error
    except KeyboardInterrupt:
        why = "interrupted; nothing was written"
        say(f"stillage: {why}", problem=True)
        if request.as_json:
            say(json.dumps({**result_view(None), "status": INTERRUPTED, "error": why, "code": "interrupted"}))
        return INTERRUPTED
    outcome.seconds = time.monotonic() - started
    if request.as_json:
        say(json.dumps(view_of_outcome(request, outcome, problem)))
    else:
        print_outcome(request, outcome, problem)
    return status_of(problem)


@dataclass(frozen=True, slots=True)
class _Conversion:
    request: ConvertRequest
    outcome: Outcome
    shown: Switch
    rules: Rules

    def run(self) -> None:
        """Convert.

        Raises:
            StillageError: What stopped it; then there is nothing new under the name of the output.
        """
        request, path = self.request, Path(self.request.output)
        self.outcome.wanted = wanted = chosen(request.output_format, request.subformat, request.compression)
        with _opened(request.source) as file, Pool() as pool:
            self._require_free(path, file.descriptor)
            self._inspect(file)
            with _translated(path):
                self._write(file, wanted, path, pool)

    def _require_free(self, path: Path, source: int) -> None:
        """Demand that there is nothing under the name of the output that must stay."""
        if not path.exists():
            return
        if os.path.samestat(path.stat(), os.fstat(source)):
            raise UnusableFile("IN and OUT are the same file; choose another name for OUT")
        if not path.is_file():
            raise UnusableFile(f"{readable(str(path))} exists, and is not a file; choose another name")
        if not self.request.force:
            raise UnusableFile(f"{readable(str(path))} exists; use --force to overwrite it")

    def _inspect(self, file: "_File") -> None:
        self.shown.begin("inspecting", file.size)
        try:
            verdict = inspect_file(file.descriptor, file.size, Declaration(self.request.disk_format), self.rules)
        except OSError as error:
            raise UnusableFile(f"cannot read it: {error.strerror}") from error
        self.outcome.verdict = verdict
        if not verdict.accepted:
            raise RefusedLocally.because(verdict.hazards)

    def _write(self, file: "_File", wanted: Wanted, path: Path, pool: Pool) -> None:
        verdict = self.outcome.verdict
        assert verdict is not None  # noqa: S101 - the file was inspected
        source = source_of(file.descriptor, file.size, verdict.format or "", verdict.subformat)
        with NewFile.beside(path) as made:
            convert(source, wanted, made.descriptor, Made(os.urandom(16), datetime.now(UTC)), pool, self.shown)
            if self.request.check:
                self._compare(source, wanted, made.descriptor, pool)
            # What was cut off in the meantime looks like a hole, and what was written may be there by half.
            if file.has_changed():
                raise VerificationFailed("it changed while it was converted; nothing was written; convert it again")
            made.publish(replace=self.request.force)
            found = os.fstat(made.descriptor)
            self.outcome.size, self.outcome.allocated = found.st_size, found.st_blocks * 512

    def _compare(self, source: Source, wanted: Wanted, descriptor: int, pool: Pool) -> None:
        other = source_of(descriptor, os.fstat(descriptor).st_size, wanted.disk_format, wanted.subformat)
        self.shown.begin("comparing", max(source.reader.size, other.reader.size))
        difference = first_difference(source, other, pool, self.shown.advance)
        if difference is not None:
            raise VerificationFailed(f"the disks differ at byte {difference}; nothing was written; report the bug")
        self.outcome.checked = True


class _File(NamedTuple):
    descriptor: int
    size: int
    identity: Identity

    def has_changed(self) -> bool:
        return Identity.of(self.descriptor, _size_of(self.descriptor)) != self.identity


@contextmanager
def _opened(name: str) -> Iterator[_File]:
    """Open the file *name*.

    Raises:
        UnusableFile: If it cannot be read, or read only once.
    """
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would wait for a writer
    except OSError as error:
        raise UnusableFile(f"cannot read it: {error.strerror}") from error
    try:
        size = _size_of(descriptor)
        yield _File(descriptor, size, Identity.of(descriptor, size))
    finally:
        os.close(descriptor)


def _size_of(descriptor: int) -> int:
    try:
        size = size_of(descriptor)
    except OSError as error:
        raise UnusableFile(f"cannot read it: {error.strerror}") from error
    if size is None:
        raise UnusableFile("it is a pipe, which can be read only once; write it to a file first")
    return size


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Say in words of the command what stops the conversion to *path*."""
    try:
        yield
    except MalformedImage as broken:
        message = f"{broken} ({broken.hazard.rule.id}): the image is damaged; nothing was written"
        facts = {"rule": broken.hazard.rule.id, "offset": broken.hazard.offset}
        raise RefusedLocally(message).note(facts) from broken
    except FileExistsError as error:
        raise UnusableFile(f"{readable(str(path))} exists; use --force to overwrite it") from error
    except OSError as error:
        raise UnusableFile(f"cannot write {readable(str(path))}: {error.strerror}") from error
