"""QCOW, version 1."""
