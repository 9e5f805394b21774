"""Rules for texts that people choose, such as passwords."""

from stillage.errors import InvalidInput

MAX_PASSWORD = 1024


def require_password(password: str) -> str:
    """Return *password*.

    Raises:
        InvalidInput: If it is empty, too long, or not text.
    """
    if not 0 < len(password) <= MAX_PASSWORD:
        raise InvalidInput(f"a password must have 1 to {MAX_PASSWORD} characters, not {len(password)}")
    if not is_unicode(password):
        raise InvalidInput("the password is not valid Unicode text")
    return password


def is_unicode(text: str) -> bool:
    """False for text with an unpaired surrogate, which JSON can express but no encoding can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
