"""Import the bytes of images: staged ones, those of a URL or of another image service, and copies between stores."""
