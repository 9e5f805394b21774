"""Which kinds of jobs there are, and what does them. `app` gives it the operations."""

from stillage.operations.running import Kind, Kinds


def kinds_of() -> Kinds:
    """Return the kinds of jobs that this version runs; it leaves others to processes of another version."""
    kinds: dict[str, Kind] = {}
    return kinds
