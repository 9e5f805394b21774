"""What is done without being asked: sweeps and scrubs."""
