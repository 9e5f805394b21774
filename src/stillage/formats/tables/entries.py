"""Converts tables of 32- or 64-bit numbers to and from arrays, which take a quarter of the memory of a list."""

import sys
from array import array


def big_endian_64(data: bytes) -> "array[int]":
    return _unpacked("Q", data, "big")


def little_endian_64(data: bytes) -> "array[int]":
    return _unpacked("Q", data, "little")


def little_endian_32(data: bytes) -> "array[int]":
    return _unpacked("I", data, "little")


def big_endian_32(data: bytes) -> "array[int]":
    return _unpacked("I", data, "big")


def _unpacked(kind: str, data: bytes, order: str) -> "array[int]":
    entries = array(kind, data)
    if order != sys.byteorder:
        entries.byteswap()
    return entries


def to_big_endian(entries: "array[int]") -> bytes:
    return _packed(entries, "big")


def to_little_endian(entries: "array[int]") -> bytes:
    return _packed(entries, "little")


def _packed(entries: "array[int]", order: str) -> bytes:
    if order != sys.byteorder:
        entries = entries[:]
        entries.byteswap()
    return entries.tobytes()
