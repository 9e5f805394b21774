"""What an ephemeral server answers because it was asked to fail."""

from stillage.errors.base import StillageError


class EmulatedFault(StillageError):
    """A test asked for this failure. Only an ephemeral server does this."""

    code = "emulated_fault"
    fix = "remove the fault with DELETE /_emulator/faults, or the header X-Emulator-Fault"

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}, as a fault of the emulator asks for; {self.fix}")
