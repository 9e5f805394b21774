"""What the commands `stillage upload` and `stillage download` are made of: a client of any Glance, and of Stillage."""
