"""How the HTTP answers of the OpenStack and Huawei profiles differ, outside `api.ims`. The rest: `images.profile`.

Source: docs/design.md, "Profiles".
"""

from collections.abc import Mapping
from dataclasses import dataclass

from stillage.api.image_v2.errors import WORDING as IMAGE_V2
from stillage.api.ims.errors import WORDING as IMS
from stillage.api.problems import Wording


@dataclass(frozen=True, slots=True)
class Profile:
    """The HTTP answers of a deployment.

    Attributes:
        wording: The format of errors of the image API and of the routes beside the APIs.
        follows_ims: Check values by the rules of the IMS document, show the attributes that Huawei-style clouds give
            every image, and filter lists by them.
        checks_store: Refuse an unknown ``X-Image-Meta-Store`` instead of ignoring it.
    """

    wording: Wording
    follows_ims: bool
    checks_store: bool


PROFILES: Mapping[str, Profile] = {
    "openstack": Profile(wording=IMAGE_V2, follows_ims=False, checks_store=True),
    "ims": Profile(wording=IMS, follows_ims=True, checks_store=False),
}
