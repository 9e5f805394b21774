"""Background work: sweeps and scrubs."""
