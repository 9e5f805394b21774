"""Resumable uploads: pieces in any order, verified from the first byte as far as there is no gap, then published."""
