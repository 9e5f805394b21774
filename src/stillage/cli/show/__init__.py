"""Shows people what a command does."""
