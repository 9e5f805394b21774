"""What of an image decides whether it can be exported."""

import pytest

import builders
from stillage.errors import ImsRefusal
from stillage.ids import ProjectId
from stillage.images.ims_export import parse, require_exportable
from stillage.images.status import Status

LAB = ProjectId("lab")
PLAIN = parse({"bucket_url": "outgoing:web", "file_format": "qcow2"})
QUICK = parse({"bucket_url": "outgoing:web", "is_quick_export": True})
LIMIT, QUICK_LIMIT = 128 << 30, 1 << 40


@pytest.mark.parametrize(
    ("export", "size", "possible"),
    [
        (PLAIN, LIMIT, True),
        (PLAIN, LIMIT + 1, False),
        (QUICK, LIMIT + 1, True),
        (QUICK, QUICK_LIMIT, True),
        (QUICK, QUICK_LIMIT + 1, False),
    ],
)
def test_an_image_must_not_be_too_large(export: object, size: int, possible: bool) -> None:
    image = builders.image(owner=LAB, status=Status.ACTIVE, size=size)
    if possible:
        require_exportable(image, LAB, export)  # type: ignore[arg-type]
        return
    with pytest.raises(ImsRefusal) as refusal:
        require_exportable(image, LAB, export)  # type: ignore[arg-type]
    assert refusal.value.ims_code == "IMG.0160"


@pytest.mark.parametrize("given", [{}, {"file_format": None}, {"file_format": "raw"}, {"file_format": "QCOW2"}])
def test_a_format_that_nobody_writes_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ImsRefusal) as refusal:
        parse({"bucket_url": "outgoing:web", **given})
    assert refusal.value.ims_code == "IMG.0072"
