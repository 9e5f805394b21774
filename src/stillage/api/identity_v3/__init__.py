"""The Identity API v3, as far as clients of an image service need one."""
