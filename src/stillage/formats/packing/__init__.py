"""Writes compressed images: one module for each output. `formats.packing.base` says how a packer is used."""
