"""Stores: keep the bytes of images."""
