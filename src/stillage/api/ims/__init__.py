"""Huawei Cloud's Image Management Service, as far as it differs from the image API."""
