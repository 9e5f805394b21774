"""Unpacks the entries of a table: 32- or 64-bit numbers, an array of them in a quarter of the memory of a list."""

import sys
from array import array


def big_endian_64(data: bytes) -> "array[int]":
    return _unpacked("Q", data, "big")


def little_endian_64(data: bytes) -> "array[int]":
    return _unpacked("Q", data, "little")


def little_endian_32(data: bytes) -> "array[int]":
    return _unpacked("I", data, "little")


def _unpacked(kind: str, data: bytes, order: str) -> "array[int]":
    entries = array(kind, data)
    if order != sys.byteorder:
        entries.byteswap()
    return entries
