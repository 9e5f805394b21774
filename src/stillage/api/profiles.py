"""What differs between the two ways to be an image service in HTTP, outside `api.ims`. The rest: `images.profile`.

Source: docs/design.md, "Profiles".
"""

from collections.abc import Mapping
from dataclasses import dataclass

from stillage.api.image_v2.errors import WORDING as IMAGE_V2
from stillage.api.ims.errors import WORDING as IMS
from stillage.api.problems import Wording


@dataclass(frozen=True, slots=True)
class Profile:
    """How a deployment answers.

    Attributes:
        wording: What refusals look like, of the image API and of what stands beside it.
        checks_store: Refuse an ``X-Image-Meta-Store`` that we do not have, instead of ignoring it.
    """

    wording: Wording
    checks_store: bool


PROFILES: Mapping[str, Profile] = {
    "openstack": Profile(wording=IMAGE_V2, checks_store=True),
    "ims": Profile(wording=IMS, checks_store=False),
}
