"""Metadata definitions: a catalogue of the properties that images, flavors and volumes may have, for other programs."""
