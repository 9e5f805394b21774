"""The command stillage."""
