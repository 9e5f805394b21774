"""Probes the path to an image service for what would break an upload of 100 GB: asks, and assesses what was seen."""
