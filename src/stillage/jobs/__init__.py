"""Background work, outside of requests."""
