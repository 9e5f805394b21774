"""Resumable uploads: each door a module of its own, and behind all of them the same operations."""
