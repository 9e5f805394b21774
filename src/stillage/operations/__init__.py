"""The use cases: one callable for each thing that a user can do."""
