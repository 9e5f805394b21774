"""Resumable uploads: pieces in any order, verified along their contiguous beginning, published when whole."""
