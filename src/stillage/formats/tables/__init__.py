"""Tables that say where the pieces of an image lie."""
