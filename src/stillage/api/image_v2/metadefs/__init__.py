"""Metadata definitions over HTTP: namespaces, and the objects, properties, tags and resource types in them."""
