"""The client side of `stillage upload` and `stillage download`: works with any Glance, and with Stillage."""
