"""What S3 allows of an object in parts, for the settings as well as for the store. Pure.

Source: Amazon S3 user guide, "Amazon S3 multipart upload limits".
"""

SMALLEST_PART = 5 << 20
"""In bytes. Of an object with several parts, S3 accepts smaller ones only as the last."""
MOST_PARTS = 10_000
STANDARD_PART = 8 << 20
"""In bytes: ours, for images of up to 70 GiB."""
