"""What came of a conversion, for people and as JSON."""

from dataclasses import dataclass
from typing import Any

from rich.filesize import decimal

from stillage.cli.convert_request import ConvertRequest
from stillage.cli.show.texts import command_for, readable, say
from stillage.cli.statuses import result_view
from stillage.conversion.wanted import Wanted
from stillage.errors import StillageError
from stillage.formats.verdict import Verdict, verdict_view


@dataclass(slots=True)
class Outcome:
    """What came of it, as far as it came.

    Attributes:
        size: Bytes of the output.
        allocated: Those of them that take room, the file's holes left out.
        checked: Whether both disks were compared.
    """

    wanted: Wanted | None = None
    verdict: Verdict | None = None
    size: int | None = None
    allocated: int | None = None
    checked: bool = False
    seconds: float = 0.0


def view_of_outcome(request: ConvertRequest, outcome: Outcome, problem: StillageError | None) -> dict[str, Any]:
    """Return what JSON says of it. *problem*: what stopped it."""
    verdict, wanted = outcome.verdict, outcome.wanted
    return {
        "file": readable(request.source),
        "output": readable(request.output),
        **result_view(problem, request.source),
        "format": verdict and verdict.format,
        "output_format": wanted and wanted.disk_format,
        "output_subformat": wanted and (wanted.subformat or None),
        "compression": wanted and (wanted.compression or None),
        "virtual_size": verdict and verdict.virtual_size,
        "size": outcome.size,
        "allocated": outcome.allocated,
        "checked": outcome.checked,
        "seconds": round(outcome.seconds, 3),
        "hazards": _hazards(request, verdict),
    }


def print_outcome(request: ConvertRequest, outcome: Outcome, problem: StillageError | None) -> None:
    """Print it: a verdict where the image was refused, one line elsewhere."""
    verdict = outcome.verdict
    if verdict is not None and not verdict.accepted:
        from rich.console import Console  # noqa: PLC0415 - it takes a while to import, and most disks are accepted

        from stillage.cli.show.report import print_verdict  # noqa: PLC0415

        print_verdict(Console(stderr=True, highlight=False, emoji=False), request.source, verdict, None)
    elif problem is not None:
        say(f"{readable(request.source)}: {problem}", problem=True)
    else:
        say(_sentence(request, outcome))


def _hazards(request: ConvertRequest, verdict: Verdict | None) -> list[dict[str, Any]]:
    if verdict is None:
        return []
    hazards: list[dict[str, Any]] = verdict_view(verdict)["hazards"]
    for hazard in hazards:
        hazard["fix"] = command_for(hazard["fix"], request.source, verdict.format)
    return hazards


def _sentence(request: ConvertRequest, outcome: Outcome) -> str:
    size, disk = outcome.size or 0, (outcome.verdict and outcome.verdict.virtual_size) or 0
    parts = [f"{outcome.wanted}", f"a disk of {decimal(disk)} in {decimal(size)}"]
    if outcome.allocated is not None and outcome.allocated < size:
        parts.append(f"{decimal(outcome.allocated)} of them stored")
    parts.append(f"{outcome.seconds:.1f} s")
    if outcome.checked:
        parts.append("both disks compared")
    return f"{readable(request.output)}: {', '.join(parts)}"
