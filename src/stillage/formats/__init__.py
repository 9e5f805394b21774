"""Bytes in, facts out, pure: what a disk image is and what is wrong with it."""
