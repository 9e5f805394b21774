"""Makes uncompressed images as views: files that exist only as a rule."""
