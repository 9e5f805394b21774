"""A real Keystone on loopback, and what its administrator and its users do there."""

import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from clients import executable
from running import TIMEOUT_S
from server import Answer, eventually, free_port

SCRIPT = Path(__file__).parent / "run_keystone.py"
TOKENS = "/v3/auth/tokens"
DEFAULT = {"id": "default"}
SERVICE_PASSWORD = "password of stillage"


def by_credential(credential: dict[str, Any]) -> dict[str, Any]:
    """What logs in with an application credential."""
    secret = {"id": credential["id"], "secret": credential["secret"]}
    return {"identity": {"methods": ["application_credential"], "application_credential": secret}}


class RealKeystone:
    """Has the service users ``stillage`` and ``nova`` in the project ``service``, and ``erin`` in ``lab``.

    A user's password is ``password of`` and the name.
    """

    def __init__(self, folder: Path) -> None:
        """Make it, and start it."""
        self._settings = folder / "keystone.conf"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process = subprocess.Popen(
            [executable("keystone", "python"), str(SCRIPT), str(folder), str(self.port), "password of admin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._expect("made")
        self.start()
        self.admin = self.token("admin", "admin")
        self._users: dict[str, str] = {}
        projects = {name: self._make("project", name=name, domain_id="default") for name in ("service", "lab")}
        for user, project, role in (
            ("stillage", "service", "service"),
            ("nova", "service", "service"),
            ("erin", "lab", "member"),
        ):
            self._users[user] = self._make("user", name=user, domain_id="default", password=f"password of {user}")
            place = f"/v3/projects/{projects[project]}/users/{self._users[user]}/roles/{self._role(role)}"
            self.ask("PUT", place, self.admin, status=204)

    def start(self, *, tokens_live_s: int = 3600) -> None:
        """Start it after `stop`. *tokens_live_s*: of the tokens that it makes from now on."""
        text = self._settings.read_text()
        self._settings.write_text(re.sub(r"(?m)^expiration = \d+$", f"expiration = {tokens_live_s}", text))
        self._say("start", "ready")

    def stop(self) -> None:
        self._say("stop", "stopped")

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(TIMEOUT_S)
        assert self._process.stdout
        self._process.stdout.close()

    # What users do

    def token(self, user: str, project: str | None = None) -> str:
        """Log in with a password."""
        who = {"name": user, "domain": DEFAULT, "password": f"password of {user}"}
        identity = {"methods": ["password"], "password": {"user": who}}
        scope: Any = {"project": {"name": project, "domain": DEFAULT}} if project else "unscoped"
        return self._log_in({"identity": identity, "scope": scope})

    def credential(self, user: str, project: str, **attributes: Any) -> dict[str, Any]:
        """Make an application credential."""
        body = {"application_credential": {"name": f"made at {datetime.now(UTC)}", **attributes}}
        path = f"/v3/users/{self._users[user]}/application_credentials"
        answer = self.ask("POST", path, self.token(user, project), body, status=201)
        made: dict[str, Any] = answer.json["application_credential"]
        return made

    def token_of(self, credential: dict[str, Any]) -> str:
        """Log in with an application credential."""
        return self._log_in(by_credential(credential))

    def short_token(self, user: str, project: str, lives_s: float) -> str:
        """Return a token that is good and ends soon, but later where Keystone takes long to make it."""
        path, token = f"/v3/users/{self._users[user]}/application_credentials", self.token(user, project)
        while True:
            end = datetime.now(UTC) + timedelta(seconds=lives_s)
            body = {"name": f"until {end}", "expires_at": end.strftime("%Y-%m-%dT%H:%M:%S.%f")}
            made = self.call("POST", path, {"application_credential": body}, headers={"X-Auth-Token": token})
            if made.status == 201:
                login = self.call("POST", TOKENS, {"auth": by_credential(made.json["application_credential"])})
                if login.status == 201:
                    return login.headers["x-subject-token"]
            assert lives_s < TIMEOUT_S, made.body
            lives_s *= 2

    def await_end(self, token: str) -> None:
        """Return when Keystone does not take *token* any more."""
        eventually(lambda: not self._is_good(token), "the token has ended")

    # What the administrator does

    def revoke(self, token: str) -> None:
        answer = self.call("DELETE", TOKENS, headers={"X-Auth-Token": self.admin, "X-Subject-Token": token})
        assert answer.status == 204, answer.body

    def end_tokens_of(self, user: str) -> None:
        """Shut *user*, of the project service, out and let him in again; his tokens stay ended."""
        for enabled in (False, True):
            self.ask("PATCH", f"/v3/users/{self._users[user]}", self.admin, {"user": {"enabled": enabled}})
        # Keystone counts in seconds, so what he gets within this one has ended as well.
        eventually(lambda: self._is_good(self.token(user, "service")), f"{user} has a token that is good")

    def ask(self, method: str, path: str, token: str, body: Any = None, *, status: int = 200) -> Answer:
        answer = self.call(method, path, body, headers={"X-Auth-Token": token})
        assert answer.status == status, answer.body
        return answer

    def call(self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        try:
            sent = {"Content-Type": "application/json"} | (headers or {})
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def _is_good(self, token: str) -> bool:
        headers = {"X-Auth-Token": self.admin, "X-Subject-Token": token}
        return self.call("GET", TOKENS, headers=headers).status == 200

    def _log_in(self, auth: dict[str, Any]) -> str:
        answer = self.call("POST", TOKENS, {"auth": auth})
        assert answer.status == 201, answer.body
        return answer.headers["x-subject-token"]

    def _make(self, kind: str, **attributes: Any) -> str:
        answer = self.ask("POST", f"/v3/{kind}s", self.admin, {kind: attributes}, status=201)
        return str(answer.json[kind]["id"])

    def _role(self, name: str) -> str:
        return str(self.ask("GET", f"/v3/roles?name={name}", self.admin).json["roles"][0]["id"])

    def _say(self, line: str, answer: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        self._expect(answer)

    def _expect(self, answer: str) -> None:
        assert self._process.stdout
        said = self._process.stdout.readline()
        assert said == f"{answer}\n", f"Keystone said {said!r}; its log is in its folder"
