"""Stillage: an image service for virtual-machine disks."""
