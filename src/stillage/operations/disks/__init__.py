"""Read the disk inside an image, and send it in another format."""
