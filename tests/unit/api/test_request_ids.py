"""Each request has an id of its own."""

from uuid import RFC_4122, UUID

from stillage.api.middleware import new_request_id


def test_a_request_id_is_a_random_uuid() -> None:
    ids = [new_request_id() for _ in range(100)]
    assert len(set(ids)) == len(ids)
    for text in ids:
        uuid = UUID(text.removeprefix("req-"))
        assert (uuid.version, uuid.variant) == (4, RFC_4122)
        assert text == f"req-{uuid}"
