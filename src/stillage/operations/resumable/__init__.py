"""Resumable uploads: pieces in any order, verified from the first byte up to the first gap, then published."""
