"""Upload an image in one request, and verify it."""
