"""Every error that Stillage raises on purpose, as one tree. Nothing here knows of HTTP.

An error's text is a sentence for the user: what is wrong, with the numbers, and what to do. What a program may want
is an attribute. `api.problems` is the one place that turns a class into a status code. docs/errors.md lists them all.
"""

from stillage.errors.accounts import *
from stillage.errors.base import *
from stillage.errors.disks import *
from stillage.errors.emulator import *
from stillage.errors.images import *
from stillage.errors.imports import *
from stillage.errors.ims import *
from stillage.errors.jobs import *
from stillage.errors.objects import *
from stillage.errors.requests import *
from stillage.errors.settings import *
from stillage.errors.sources import *
from stillage.errors.stores import *
from stillage.errors.uploads import *
