"""Compression and checksums, as formats use them."""
