"""The domain, pure: what an image is, who may do what with it."""
