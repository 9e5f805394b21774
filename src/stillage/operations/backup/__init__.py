"""Backup and restore of a node: its database, the bytes of its images, and its keys."""
