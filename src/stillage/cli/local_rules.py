"""What this machine's deployment would refuse: the rules for files that commands inspect."""

import os
from pathlib import Path

from stillage.client.local import Rules
from stillage.formats.safety import Policy

# Those of a deployment without settings. To read the settings takes longer than to copy 256 MiB.
USUAL = Rules(Policy(), frozenset({"raw"}))
PREFIX = "STILLAGE_"


def local_rules(config_file: Path | None) -> Rules:
    """Return the rules by the settings in *config_file* and in the environment.

    Raises:
        BadSettings: If a setting is not valid.
    """
    if config_file is None and not any(name.upper().startswith(PREFIX) for name in os.environ):
        return USUAL
    from stillage import config  # noqa: PLC0415 - see above
    from stillage.deployment import policy_of, profile_of  # noqa: PLC0415

    settings = config.load(config_file)
    return Rules(policy_of(settings), profile_of(settings).may_be_empty)
