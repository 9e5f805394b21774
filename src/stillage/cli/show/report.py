"""A verdict for people."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from stillage.cli.show.layout import Kind, Layout
from stillage.cli.show.texts import command_for, readable
from stillage.errors import ContentRejected
from stillage.formats.verdict import Verdict

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
MARKS = {Kind.STRUCTURE: "█", Kind.DATA: "▒", Kind.ZEROS: "·"}
PLAIN_MARKS = {Kind.STRUCTURE: "#", Kind.DATA: "=", Kind.ZEROS: "."}
STYLES = {Kind.STRUCTURE: "cyan", Kind.DATA: "", Kind.ZEROS: "dim"}
LEGEND = {Kind.STRUCTURE: "read as structure", Kind.DATA: "other bytes", Kind.ZEROS: "zeros or holes"}


def print_verdict(
    console: Console, name: str, found: Verdict, layout: Layout | None, hints: Sequence[str] = ()
) -> None:
    """Print what was found in the file *name*; *layout* None draws no picture."""
    word = "[bold green]accepted[/]" if found.accepted else "[bold red]refused[/]"
    console.print(f"[bold]{escape(readable(name))}[/]: {word}", soft_wrap=True)
    for label, text in _lines(found):
        console.print(f"  {label:<15} {escape(text)}", soft_wrap=True)
    if layout is not None and found.size:
        _print_picture(console, found, layout)
    for broken in found.hazards:
        _print_broken(console, name, found, broken)
    for hint in hints:
        console.print(f"  [yellow]hint[/]: {escape(hint)}", soft_wrap=True)


def _lines(found: Verdict) -> list[tuple[str, str]]:
    kind = found.format or "unknown"
    if found.subformat:
        kind += f", {found.subformat}"
    if found.declared not in (None, found.format):
        kind += f" (declared {found.declared})"
    disk = "unknown" if found.virtual_size is None else amount(found.virtual_size)
    details = [(name.replace("_", " "), value) for name, value in found.details.items()]
    return [("format", kind), ("virtual size", disk), ("file size", amount(found.size)), *details]


def _print_picture(console: Console, found: Verdict, layout: Layout) -> None:
    marks = MARKS if console.encoding.startswith("utf") else PLAIN_MARKS
    picture = layout.picture(found.format)
    line = Text("  layout          ")
    for kind in picture:
        line.append(marks[kind], STYLES[kind])
    console.print(line, soft_wrap=True)
    cells = {layout.cell_of(broken.offset) for broken in found.hazards if broken.offset is not None} - {None}
    if cells:
        pointers = "".join("^" if cell in cells else " " for cell in range(len(picture)))
        console.print(Text(" " * 18 + pointers.rstrip(), "bold red"), soft_wrap=True)
    legend = [f"{marks[kind]} {LEGEND[kind]}" for kind in sorted(set(picture), reverse=True)]
    console.print(
        f"                  [dim]{'  '.join([*legend, *(['^ broken rule'] if cells else [])])}[/]", soft_wrap=True
    )


def _print_broken(console: Console, name: str, found: Verdict, broken: ContentRejected) -> None:
    place = "" if broken.offset is None else f" at byte {broken.offset}"
    console.print(f"  [bold red]{broken.rule}[/]{place}", soft_wrap=True)
    console.print(f"    {escape(str(broken))}", soft_wrap=True)
    if (command := command_for(broken.fix, name, found.format)) is not None:
        console.print(f"    fix: [bold]{escape(command)}[/]", soft_wrap=True)


def amount(size: int) -> str:
    """A number of bytes, also in the largest unit that leaves at least 1."""
    step = min(max(0, (size.bit_length() - 1) // 10), len(UNITS) - 1)
    if not step:
        return f"{size} bytes"
    return f"{size / (1 << 10 * step):.4g} {UNITS[step]} ({size} bytes)"
