"""Stillage: an image service for virtual-machine disks."""

from importlib.metadata import version

__version__ = version("stillage")
