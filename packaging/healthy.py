"""Exit with 0 if the server in this container is ready: the health check of packaging/Containerfile."""

import os
import ssl
import sys
import urllib.request


def url() -> str:
    """Return the address of its readiness, as STILLAGE_LISTEN and STILLAGE_TLS say."""
    plain = os.environ.get("STILLAGE_TLS", "").lower() in ("0", "false", "no", "off")
    port = os.environ.get("STILLAGE_LISTEN", "0.0.0.0:9292").rpartition(":")[2]
    return f"{'http' if plain else 'https'}://127.0.0.1:{port}/readyz"


def is_ready() -> bool:
    itself = ssl.create_default_context()
    itself.check_hostname = False  # whom else would it meet on its own loopback
    itself.verify_mode = ssl.CERT_NONE
    try:
        with urllib.request.urlopen(url(), timeout=4, context=itself) as answer:  # noqa: S310 - http or https
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(0 if is_ready() else 1)
