"""Buckets that users keep files in, to make images of them and to export images to."""
