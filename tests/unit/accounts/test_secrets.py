from stillage.accounts.secrets import digest_of, is_token, new_audit_id, new_token


def test_a_new_token_is_one() -> None:
    assert is_token(new_token())


def test_no_two_tokens_are_alike() -> None:
    assert len({new_token() for _ in range(100)}) == 100
    assert len({new_audit_id() for _ in range(100)}) == 100


def test_a_token_fits_into_the_header_fields_of_every_client() -> None:
    assert len(new_token()) <= 255


def test_what_cannot_be_a_token_is_told_by_its_look() -> None:
    token = new_token()
    for text in ("", "gst1", token[:-1], token + "x", token + "\n", "é" * 47, "\udcff" * 47, token.upper(), "x" * 9000):
        assert not is_token(text)


def test_the_digest_does_not_contain_the_token() -> None:
    token = new_token()
    assert len(digest_of(token)) == 64
    assert token not in digest_of(token)
