import http.server
import json
import os
import socket
import socketserver
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.errors import APIError
from requests.exceptions import ConnectionError as Lost

from harness.ground.errors import EnvironmentUnfit, VariantFailed, WebdynoError
from harness.machine.backends.launch import unprivileged
from harness.machine.building import Recipe, why
from harness.machine.engine import EngineLost, answering, connect

ROOT = Path(__file__).parents[2]
RECIPE = Recipe("plain", (), {}, "/apps/plain", VariantFailed)


class _Old(http.server.BaseHTTPRequestHandler):
    """An engine that says how old it is, and nothing else."""

    def address_string(self) -> str:
        """Return a name: a client of a socket in the file system has none."""
        return "client"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer `/version`."""
        body = json.dumps({"Version": "19.03.15", "ApiVersion": "1.40", "MinAPIVersion": "1.12"}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@pytest.fixture
def old(tmp_path: Path) -> Iterator[str]:
    """Serve an old engine and yield its address."""
    path = tmp_path / "old.sock"
    with _Server(str(path), _Old) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"unix://{path}"
        server.shutdown()
        thread.join()


def test_an_old_engine_is_refused(old: str) -> None:
    """An engine older than 20.10 is named, with what it would have to be."""
    with pytest.raises(EnvironmentUnfit, match=r"19\.03\.15 is too old: it offers API 1\.40"):
        connect(old)


def test_no_engine_is_said(tmp_path: Path) -> None:
    """A socket that is not there, and one that nobody serves, are no engine."""
    with pytest.raises(EnvironmentUnfit, match="no container engine answers: No such file"):
        connect(f"unix://{tmp_path}/none.sock")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "left.sock"))
    with pytest.raises(EnvironmentUnfit, match="no container engine answers: Connection refused"):
        connect(f"unix://{tmp_path}/left.sock")


def test_a_user_who_may_not_is_told_so(tmp_path: Path) -> None:
    """A socket that this user may not use is said to be that, and what to do about it."""
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        path.chmod(stat.S_IRUSR)
        code = f"from harness.machine.engine import connect; connect('unix://{path}')"
        argv: tuple[str, ...] = (sys.executable, "-c", code)
        if os.geteuid() == 0:
            argv = unprivileged(argv)
        said = subprocess.run(
            argv, cwd="/", env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
        )
    assert "this user may not use the container engine" in said.stderr
    assert "join the group docker" in said.stderr


@pytest.mark.parametrize(
    ("raised", "kind", "told"),
    [
        (APIError("500", explanation="write /x: no space left on device"), EnvironmentUnfit, "no space left"),
        (
            APIError("500", explanation="cgroups:\n not mounted"),
            EnvironmentUnfit,
            "refuses: cgroups: not mounted",
        ),
        (Lost("reset"), EngineLost, "does not answer"),
    ],
)
def test_the_engines_errors_are_said(raised: Exception, kind: type[EnvironmentUnfit], told: str) -> None:
    """What the engine's client raises becomes one message; an engine that is gone is told apart."""
    with pytest.raises(EnvironmentUnfit, match=told) as caught, answering("unix:///engine"):
        raise raised
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("pull access denied for acme/base, repository does not exist", 3, "its base can't be pulled"),
        ("[Errno -3] Temporary failure in name resolution", 3, "a registry can't be reached"),
        ("OSError: [Errno 28] No space left on device", 3, "no space left"),
        ("ERROR: No matching distribution found for flask==99", 4, "can't be built"),
    ],
)
def test_a_failed_build_is_explained(words: str, code: int, told: str) -> None:
    """Whether the machine or the variant is at fault is told by the builder's last words."""
    error: WebdynoError = why(RECIPE, ["Step 5/9 : RUN pip", *words.splitlines()], "unix:///engine")
    assert (error.exit_code, told in str(error)) == (code, True), str(error)
