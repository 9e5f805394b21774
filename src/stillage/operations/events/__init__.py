"""Streams of events: what changes, told to who may know of it."""
