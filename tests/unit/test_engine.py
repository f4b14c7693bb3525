import http.server
import json
import os
import re
import socket
import socketserver
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from docker.credentials.errors import StoreError
from docker.errors import APIError
from requests.exceptions import ConnectionError as Lost
from urllib3.exceptions import ProtocolError

from harness.ground.errors import EnvironmentUnfit, VariantFailed, WebdynoError
from harness.machine.backends.launch import unprivileged
from harness.machine.belongings import remove_ours
from harness.machine.building import Recipe, ensure_built, ensure_pulled, why
from harness.machine.engine import (
    Engine,
    EngineLost,
    answering,
    connect,
    insist_on_this_machine,
)

ROOT = Path(__file__).parents[2]
RECIPE = Recipe("plain", (), {}, "/apps/plain", VariantFailed)
VERSION = {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}
END = b"0\r\n\r\n"
"""What ends an answer in chunks; without it the answer is cut short."""


class _Fake(http.server.BaseHTTPRequestHandler):
    """An engine that says what it was told to, by path; to any other path that nothing is there."""

    server: "_Server"
    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        """Return a name: a client of a socket in the file system has none."""
        return "client"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer with a status and JSON, or with chunks as they are."""
        self.rfile.read(int(self.headers.get("content-length") or 0))
        path = re.sub(r"^/v[0-9.]+(?=/)", "", urlsplit(self.path).path)
        status, said = self.server.answers.get(path, (404, {"message": f"No such image: {path}"}))
        raw = isinstance(said, bytes)
        body: bytes = said if raw else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header(*(("transfer-encoding", "chunked") if raw else ("content-length", str(len(body)))))
        self.send_header("connection", "close")  # without its last chunk an answer ends with the connection
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Answer likewise."""
        self.do_GET()


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    answers: dict[str, tuple[int, Any]]


@contextmanager
def _saying(folder: Path, **answers: tuple[int, Any]) -> Iterator[str]:
    """Serve an engine with these answers, and yield its address; `_` in a name stands for `/`."""
    path = folder / "engine.sock"
    with _Server(str(path), _Fake) as server:
        server.answers = {"/version": (200, VERSION), "/info": (200, {"Name": "here"})}
        server.answers |= {f"/{name.replace('_', '/')}": answer for name, answer in answers.items()}
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _engine(folder: Path, **answers: tuple[int, Any]) -> Iterator[Engine]:
    """Likewise, and yield the engine."""
    with _saying(folder, **answers) as address:
        engine = connect(address)
        try:
            yield engine
        finally:
            engine.client.close()


def _chunk(**said: str) -> bytes:
    line = json.dumps(said).encode() + b"\r\n"
    return b"%x\r\n%s\r\n" % (len(line), line)


def test_an_old_engine_is_refused(tmp_path: Path) -> None:
    """An engine older than 20.10 is named, with what it would have to be."""
    old = {"Version": "19.03.15", "ApiVersion": "1.40", "MinAPIVersion": "1.12"}
    wanted = r"19\.03\.15 is too old: it offers API 1\.40"
    with _saying(tmp_path, version=(200, old)) as address, pytest.raises(EnvironmentUnfit, match=wanted):
        connect(address)


@pytest.mark.parametrize("option", ["name=rootless", "name=userns"])
def test_an_engine_with_users_of_its_own_is_refused(tmp_path: Path, option: str) -> None:
    """An engine whose containers could reach neither our files nor, with Docker, our network is refused."""
    itself = {"Name": "here", "SecurityOptions": ["name=seccomp,profile=default", option]}
    with (
        _saying(tmp_path, info=(200, itself)) as address,
        pytest.raises(EnvironmentUnfit, match="rootless or remaps users"),
    ):
        connect(address)


def test_an_engine_elsewhere_is_told_apart(tmp_path: Path) -> None:
    """An engine in a virtual machine, or outside of our container, says another name than this machine's."""
    with _engine(tmp_path, info=(200, {"Name": socket.gethostname()})) as engine:
        insist_on_this_machine(engine)
    (tmp_path / "other").mkdir()
    with (
        _engine(tmp_path / "other", info=(200, {"Name": "docker-desktop"})) as engine,
        pytest.raises(EnvironmentUnfit, match="runs on docker-desktop"),
    ):
        insist_on_this_machine(engine)


@pytest.mark.parametrize(
    ("said", "kind", "told"),
    [
        (_chunk(error="unexpected EOF") + END, EnvironmentUnfit, "x:1 can't be had: unexpected EOF"),
        (_chunk(error="write: no space left on device") + END, EngineLost, "no space left"),
        (_chunk(status="Pulling"), EngineLost, "does not answer"),
    ],
)
def test_a_pull_that_breaks_off_says_why(
    tmp_path: Path, said: bytes, kind: type[EnvironmentUnfit], told: str
) -> None:
    """What goes wrong after a pull's answer has begun is told, and the variable that names another image."""
    with (
        _engine(tmp_path, images_create=(200, said)) as engine,
        pytest.raises(EnvironmentUnfit, match=told) as caught,
    ):
        ensure_pulled(engine, "x:1", lambda _: None, "VALKEY_IMAGE")
    assert type(caught.value) is kind
    assert kind is EngineLost or "VALKEY_IMAGE=" in caught.value.remedy


@pytest.mark.parametrize(("end", "told"), [(b"", "does not answer"), (END, "was cut short")])
def test_a_build_that_breaks_off_is_no_image(tmp_path: Path, end: bytes, told: str) -> None:
    """An engine that ends in the middle of a build is told to have done so, however its answer ends."""
    with (
        _engine(tmp_path, build=(200, _chunk(stream="Step 1/2 : FROM x") + end)) as engine,
        pytest.raises(EngineLost, match=told),
    ):
        ensure_built(engine, RECIPE, lambda _: None)


def test_room_that_takes_too_long_to_add_up_is_not_told(tmp_path: Path) -> None:
    """An engine that can't say how much room its images take is cleaned all the same."""
    answers = {"containers_json": (200, []), "images_json": (200, []), "system_df": (500, {"message": "no"})}
    with _engine(tmp_path, **answers) as engine:
        assert remove_ours(engine) == ((), 0)


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
        (APIError("500", explanation="write /x: no space left on device"), EngineLost, "no space left"),
        (
            APIError("500", explanation="cgroups:\n not mounted"),
            EnvironmentUnfit,
            "refuses: cgroups: not mounted",
        ),
        (Lost("reset"), EngineLost, "does not answer"),
        (ProtocolError("cut short"), EngineLost, "does not answer"),
        (StoreError("docker-credential-desktop not installed"), EnvironmentUnfit, "correct credsStore"),
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
        ("Temporary failure resolving 'a.mirror'", 3, "a registry can't be reached"),
        ("Connection to an.index timed out. (connect timeout=15)", 3, "a registry can't be reached"),
        ("net/http: (Client.Timeout exceeded while awaiting headers)", 3, "a registry can't be reached"),
        ("OSError: [Errno 28] No space left on device", 3, "no space left"),
        ("ERROR: No matching distribution found for flask==99", 4, "can't be built"),
    ],
)
def test_a_failed_build_is_explained(words: str, code: int, told: str) -> None:
    """Whether the machine or the variant is at fault is told by the builder's last words."""
    error: WebdynoError = why(RECIPE, ["Step 5/9 : RUN pip", *words.splitlines()], "unix:///engine")
    assert (error.exit_code, told in str(error)) == (code, True), str(error)
