"""The use cases: one callable for each thing a user can do."""
