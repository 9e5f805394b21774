"""The tables. The migrations make the same ones; a test compares the two."""

from stillage.db.tables.accounts import *
from stillage.db.tables.base import *
from stillage.db.tables.deployment import *
from stillage.db.tables.images import *
from stillage.db.tables.jobs import *
from stillage.db.tables.metadefs import *
from stillage.db.tables.trash import *
from stillage.db.tables.uploads import *
