"""Authenticates requests of the client."""
