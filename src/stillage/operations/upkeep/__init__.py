"""Background maintenance: sweeps (garbage collection) and scrubs (integrity checks)."""
