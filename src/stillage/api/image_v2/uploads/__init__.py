"""Resumable uploads: one module for each protocol, on top of the same operations."""
