"""What is wrong with how a server or a command is set up."""

from stillage.errors.base import StillageError


class BadSettings(StillageError):
    """A setting cannot be used."""

    code = "invalid_settings"
    fix = "correct the setting that the message names"
