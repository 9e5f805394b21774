"""Keystone itself, in an environment of its own that `scripts/clients` makes: on SQLite, in the folder that is given.

Importing it takes seconds, so everything is done by children of one process that has imported it. It reads lines:
``start`` and ``stop``, and answers each with one.
"""

import logging
import os
import pwd
import signal
import socket
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

warnings.simplefilter("ignore")

from keystone.cmd import cli  # type: ignore[import-not-found] # noqa: E402 - it warns while it is imported
from keystone.server import wsgi  # type: ignore[import-not-found] # noqa: E402
from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: E402

SETTINGS = """
[DEFAULT]
log_file = {folder}/keystone.log
[database]
connection = sqlite:///{folder}/keystone.db
[fernet_tokens]
key_repository = {folder}/fernet
[credential]
key_repository = {folder}/credential
[token]
# Its own default, written down so that a test can change it.
expiration = 3600
[identity]
# The least there is: tests log in often.
password_hash_rounds = 4
"""


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: object) -> None:
        """Keystone has a log of its own."""


def manage(folder: Path, *words: str) -> Callable[[], None]:
    return lambda: cli.main(argv=["keystone-manage", "--config-file", str(folder / "keystone.conf"), *words])


def serve(sock: socket.socket) -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = wsgi.initialize_public_application()
    host, port = sock.getsockname()
    server = make_server(host, port, application, threaded=True, request_handler=Quiet, fd=sock.fileno())
    print("ready", flush=True)
    server.serve_forever()


def child(work: Callable[[], None]) -> int:
    """Do *work* in a process of its own, and return its number."""
    number = os.fork()
    if number == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return number


def set_up(folder: Path, password: str) -> None:
    user = pwd.getpwuid(os.getuid()).pw_name
    for name in ("fernet", "credential"):
        (folder / name).mkdir(mode=0o700)
    (folder / "keystone.conf").write_text(SETTINGS.format(folder=folder))
    keys = ("--keystone-user", user, "--keystone-group", user)
    steps = [("db_sync",), ("fernet_setup", *keys), ("bootstrap", "--bootstrap-password", password)]
    for words in steps:
        _, status = os.waitpid(child(manage(folder, *words)), 0)
        if status:
            sys.exit(f"keystone-manage {words[0]} failed")


def main(folder: Path, port: int, password: str) -> None:
    os.environ["OS_KEYSTONE_CONFIG_DIR"] = str(folder)
    set_up(folder, password)
    print("made", flush=True)
    running = 0
    for line in sys.stdin:
        if line == "start\n":
            sock = socket.create_server(("127.0.0.1", port))
            running = child(lambda: serve(sock))  # noqa: B023 - it is called at once
            sock.close()
        elif line == "stop\n":
            os.kill(running, signal.SIGKILL)
            os.waitpid(running, 0)
            running = 0
            print("stopped", flush=True)
    if running:
        os.kill(running, signal.SIGKILL)


if __name__ == "__main__":
    given = sys.argv[1:]
    del sys.argv[1:]  # Keystone would take them for its own
    main(Path(given[0]), int(given[1]), given[2])
