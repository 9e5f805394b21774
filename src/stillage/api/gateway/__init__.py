"""Signed requests, as clients of a Huawei Cloud API gateway make them."""
