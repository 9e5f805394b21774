"""One callable for each thing that a user can do."""
