"""Stillage: an image service for virtual-machine disks."""

__version__ = "0.1.0"
