"""Raw: bytes that are the disk themselves."""
