"""The two ways to be an image service, as values: all that differs between them outside `api.ims`.

Source: docs/design.md, "Profiles".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stillage.api import errors
from stillage.api.errors import Problem, Shape
from stillage.images.creation import Defaults
from stillage.images.image import Visibility


@dataclass(frozen=True, slots=True)
class Profile:
    """What a deployment behaves like.

    Attributes:
        defaults: Of a new image.
        max_image_bytes: When the settings say nothing.
        may_be_empty: Declared formats of which zero bytes are an image.
        problem: Gives an error the status it has here.
        shape: Gives an error the body it has here.
        checks_store: Refuse an ``X-Image-Meta-Store`` that we do not have, instead of ignoring it.
    """

    defaults: Defaults
    max_image_bytes: int
    may_be_empty: frozenset[str]
    problem: Callable[[Problem], Problem]
    shape: Shape
    checks_store: bool


PROFILES: Mapping[str, Profile] = {
    "openstack": Profile(
        defaults=Defaults(),
        max_image_bytes=1 << 40,
        may_be_empty=frozenset({"raw"}),  # how Nova activates images of volumes
        problem=lambda problem: problem,
        shape=errors.as_error,
        checks_store=True,
    ),
    "ims": Profile(
        defaults=Defaults(visibility=Visibility.PRIVATE, container_format="bare", disk_format="zvhd2"),
        max_image_bytes=128 << 30,
        may_be_empty=frozenset(),
        problem=errors.in_ims,
        shape=errors.as_ims,
        checks_store=False,
    ),
}
