"""Make a raw image of a disk: its bytes, holes included."""

from stillage.formats.views.base import Sections, Target, View, Whole

VERSION = 1


def view(target: Target) -> View:
    return Sections(Whole(target.size))
