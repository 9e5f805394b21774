"""Upload an image in one request: check the request before reading it, verify the bytes, publish the image."""
