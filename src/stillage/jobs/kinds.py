"""Which kinds of jobs there are, and what does them. `worker` gives it the operations."""

from stillage.operations.running import Kind, Kinds


def kinds_of(*operations: Kinds) -> Kinds:
    """Return the kinds of jobs that this version runs; it leaves others to processes of another version."""
    kinds: dict[str, Kind] = {}
    for each in operations:
        kinds |= each
    return kinds
