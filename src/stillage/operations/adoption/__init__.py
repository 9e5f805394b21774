"""Adopt the images of a Glance: ``stillage adopt``."""
