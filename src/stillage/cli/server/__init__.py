"""What runs a server: its processes, how they hold together, and what one start leaves to the next."""

from stillage.cli.server.lean import import_lean

import_lean()
