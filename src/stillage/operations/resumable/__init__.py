"""Resumable uploads: pieces in any order, judged along their contiguous beginning, published when whole."""
