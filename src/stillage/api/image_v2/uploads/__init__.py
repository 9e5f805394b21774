"""Resumable uploads: each protocol a module, and behind all of them the same operations."""
