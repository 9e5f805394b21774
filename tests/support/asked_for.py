"""What the logs of servers may say that tests kill, or that lose their database and their store."""

import json
import re

ASKED_FOR = {
    "a worker died; restarting it": "we kill them",
    "a new worker was killed before it served; starting another": "we kill those, too",
    "a store cannot be used": "we kill the S3 server",
}
NO_DATABASE = re.compile(r"stillage: the database .*does not answer")  # what a server says that starts meanwhile
"""Lines of the log that the run itself provokes, and why. Any other error, and every traceback, is a finding."""


def lines_not_asked_for(log: str) -> list[str]:
    """The lines of *log* that are errors, have a traceback, or are no lines of ours; see `ASKED_FOR`."""
    return [f"the log says: {line[:2000]}" for line in log.splitlines() if line.strip() and not _is_fine(line)]


def _is_fine(line: str) -> bool:
    try:
        event = json.loads(line)
    except ValueError:
        return NO_DATABASE.match(line) is not None
    if "exception" in event or "Traceback" in line:
        return False
    return event["level"] not in ("error", "critical") or event["event"] in ASKED_FOR
