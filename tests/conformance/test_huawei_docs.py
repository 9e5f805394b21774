"""The snippets of docs/huawei-clients.md, word by word and in their order."""

import re
import subprocess
from pathlib import Path

import pytest

from clients import Account, executable
from server import Server

pytestmark = pytest.mark.thorough

PAGE = Path(__file__).parents[2] / "docs" / "huawei-clients.md"
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_snippets_do_what_they_say(server: Server, erin: Account, tmp_path: Path) -> None:
    made = ["qemu-img", "create", "-q", "-f", "qcow2", str(tmp_path / "web.qcow2"), "1M"]
    subprocess.run(made, check=True)
    key = erin.call("POST", "/v3.0/OS-CREDENTIAL/credentials", {"credential": {"description": "docs"}}).json[
        "credential"
    ]
    authority = str(server.data_folder / "tls" / "ca.pem")
    variables = {
        "DATA": str(server.data_folder),
        "PROJECT": erin.project_id,
        "TOKEN": erin.token(),
        "ACCESS_KEY": key["access"],
        "SECRET_KEY": key["secret"],
        "CA": authority,
        "CURL_CA_BUNDLE": authority,
    }
    words = ["env", *(f"{name}={value}" for name, value in variables.items())]
    printed = []
    for language, code in BLOCKS:
        script = tmp_path / f"snippet.{language}"
        script.write_text(code)
        client = "huaweicloud" if "huaweicloudsdk" in code else "otcextensions"
        command = ["bash", "-eu", "-o", "pipefail"] if language == "sh" else [executable(client, "python")]
        printed.append(erin.run(*words, *command, str(script), folder=tmp_path).out)
    assert "SUCCESS" in printed[0]
    assert "nightly build" in printed[1]
    assert "['signed', 'web-copy', 'web']" in printed[2]
    assert "SUCCESS" in printed[3]
    assert "['otc']" in printed[3]
