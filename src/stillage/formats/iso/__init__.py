"""ISO 9660: images of discs."""
