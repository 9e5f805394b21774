"""The findings about the path to a server, for people."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stillage.cli.show.texts import readable
from stillage.client.doctor.findings import Advice, Finding, Result

STYLES = {Result.GOOD: "green", Result.NOTE: "cyan", Result.PROBLEM: "bold red", Result.UNKNOWN: "yellow"}


def print_findings(url: str, findings: Sequence[Finding]) -> None:
    """Print a table of *findings*, and below it what to do about each problem."""
    console = Console(highlight=False, emoji=False)
    table = Table(title=f"The path to {escape(readable(url))}", title_justify="left", box=None, pad_edge=False)
    for heading in ("check", "result", "what was seen"):
        table.add_column(heading, no_wrap=heading != "what was seen")
    for finding in findings:
        style = STYLES[finding.result]
        table.add_row(finding.check, f"[{style}]{finding.result.value}[/]", escape(readable(finding.what)))
    console.print(table)
    for finding in findings:
        if finding.result in (Result.PROBLEM, Result.NOTE):
            _print_advice(console, finding.check, finding.advice)


def _print_advice(console: Console, check: str, advice: Advice) -> None:
    console.print(f"\n[bold]{check}[/]: {escape(advice.why)}", soft_wrap=True)
    if advice.fix:
        console.print(f"  fix: {escape(advice.fix)}", soft_wrap=True)
    for proxy, directives in (("nginx", advice.nginx), ("HAProxy", advice.haproxy)):
        for directive in directives:
            console.print(f"  {proxy:<8} {escape(directive)}", soft_wrap=True)
