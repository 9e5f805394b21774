"""A store in a folder of files."""
