"""``python -m bench.console``: an upload from a browser over TLS, and the command's in the same run.

While the browser sends, its page asks for a list of images again and again, as a person would who goes on working, and
the memory of the page is measured. Then a hostile image of 2 GiB, almost all of it holes, is chosen.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles

from bench.measuring import size_of

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from playwright.sync_api import Browser, Page  # noqa: E402 - with what needs the path

from browser import chromium  # noqa: E402 - needs the path
from console_uploads import hostile, noise, person, row, sent, upload  # noqa: E402 - needs the path
from server import COMMAND, Server  # noqa: E402 - needs the path

MIB, GIB = 1 << 20, 1 << 30
PAUSE_S = 0.25
ASK = """async () => {
  const began = performance.now();
  await (await fetch('/v2/images?limit=20', {cache: 'no-store'})).text();
  return performance.now() - began;
}"""


@dataclass(frozen=True)
class Figures:
    """What came of a run. `asked_p90_ms`: of other requests of the page. `page_mib`: more than before the upload."""

    size: int
    browser_s: float
    command_s: float
    asked_p90_ms: float
    page_mib: float
    refused_s: float
    refused_mib: float

    @property
    def missed(self) -> list[str]:
        bars = {
            f"the browser has {self.command_s / self.browser_s:.2f} of the command's speed; 0.6 is the bar": (
                self.command_s / self.browser_s >= 0.6
            ),
            f"other requests took {self.asked_p90_ms:.0f} ms (p90); 250 is the bar": self.asked_p90_ms <= 250,
            f"the page took {self.page_mib:.0f} MiB more; 60 is the bar": self.page_mib <= 60,
            f"refused after {self.refused_s:.1f} s; 2 is the bar": self.refused_s <= 2,
            f"refused after {self.refused_mib:.1f} MiB; 4 is the bar": self.refused_mib <= 4,
        }
        return [said for said, is_good in bars.items() if not is_good]


def by_command(server: Server, file: Path, state: Path) -> float:
    auth = {f"OS_{name.upper()}": value for name, value in server.clouds["stillage"]["auth"].items()}
    environment = (
        os.environ | auth | {"XDG_STATE_HOME": str(state), "OS_CACERT": str(server.data_folder / "tls/ca.pem")}
    )
    began = time.monotonic()
    subprocess.run([str(COMMAND), "upload", str(file)], env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


def by_browser(page: Page, file: Path) -> tuple[float, float, float]:
    """Return the seconds, the slow end of other requests in ms, and how many MiB more the page took."""
    asked = [float(page.evaluate(ASK)) for _ in range(2)]  # enough for quantiles, however small the file
    most = before = page_memory()
    began = time.monotonic()
    upload(page, file)
    while not page.locator("[data-state=active]").count():
        asked.append(float(page.evaluate(ASK)))
        most = max(most, page_memory())
        page.wait_for_timeout(1000 * PAUSE_S)
    taken = time.monotonic() - began
    return taken, quantiles(asked, n=10)[-1], (most - before) / MIB


def refused(page: Page, file: Path) -> tuple[float, float]:
    """Return the seconds from the choice of a hostile file to the refusal on the screen, and the MiB sent."""
    page.get_by_role("button", name="Clear finished").click()
    began = time.monotonic()
    upload(page, file)
    row(page, "refused")
    return time.monotonic() - began, sent(page) / MIB


def page_memory() -> int:
    """Return the resident bytes of the processes in which our browser runs pages."""
    return sum(
        resident(process) for process in descendants(os.getpid()) if b"--type=renderer" in read(process / "cmdline")
    )


def descendants(of: int) -> Iterator[Path]:
    for thread in Path(f"/proc/{of}/task").iterdir():
        for child in read(thread / "children").split():
            yield Path("/proc") / child.decode()
            yield from descendants(int(child))


def resident(process: Path) -> int:
    lines = read(process / "status").decode().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # it has ended
        return b""


def measured(browser: Browser, server: Server, folder: Path, size: int) -> Figures:
    file = folder / "disk.raw"
    command_s = by_command(server, noise(file, size // MIB), folder / "state")
    noise(file, size // MIB)  # new bytes, which the server does not have
    with person(browser, server) as page:
        browser_s, asked_ms, page_mib = by_browser(page, file)
        refused_s, refused_mib = refused(page, hostile(folder / "hostile.qcow2", 2 * GIB))
    return Figures(size, browser_s, command_s, asked_ms, page_mib, refused_s, refused_mib)


def lines(figures: Figures) -> Iterator[str]:
    rate = figures.size / 1e6
    yield f"upload of {figures.size // MIB} MiB over TLS"
    yield f"  browser {figures.browser_s:8.2f} s {rate / figures.browser_s:8.1f} MB/s"
    yield f"  command {figures.command_s:8.2f} s {rate / figures.command_s:8.1f} MB/s"
    yield f"  ratio {figures.command_s / figures.browser_s:.2f} > 0.6"
    yield f"  page +{figures.page_mib:.0f} MiB < 60, other requests p90 {figures.asked_p90_ms:.0f} ms < 250"
    yield f"hostile image of 2 GiB: refused after {figures.refused_s:.2f} s < 2, {figures.refused_mib:.1f} MiB < 4"
    yield from (f"  MISSED: {missed}" for missed in figures.missed)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.console", description=__doc__)
    parser.add_argument("--size", type=size_of, default=GIB, help="of the image; default: 1GiB")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stillage-bench-") as name, chromium() as browser:
        server = Server(Path(name) / "home", tls=True)
        try:
            figures = measured(browser, server.start(), Path(name), args.size)
        finally:
            server.close()
    print(json.dumps(asdict(figures)) if args.json else "\n".join(lines(figures)))
    return 0 if args.json or not figures.missed else 1


if __name__ == "__main__":
    sys.exit(main())
