"""What the tests with a container engine share: the engine, a foreign container, and variants in a folder."""

from __future__ import annotations

import os
import shutil
import socket
import socketserver
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from docker.models.containers import Container
from running import APPS, Home

from harness.machine.engine import RUN_LABEL, SWITCH, Engine

BASE = os.environ.get("PYTHON_IMAGE", "python:3.13-slim-bookworm")
marks = [
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.alone,  # an engine is one for all, and `clean` removes what is ours from it
    pytest.mark.skipif(os.environ.get(SWITCH) == "off", reason=f"{SWITCH}=off"),
]


def labelled(engine: Engine, pid: int) -> list[str]:
    """Return the names of the containers that a harness with this pid has on the engine."""
    containers = engine.client.containers.list(all=True, filters={"label": RUN_LABEL}, ignore_removed=True)
    return [str(one.name) for one in containers if one.labels[RUN_LABEL].endswith(f".{pid}")]


@contextmanager
def foreign(engine: Engine) -> Iterator[Container]:
    """Run a container that is not ours, but named as if it were."""
    container = engine.client.containers.run(
        BASE,
        ["sleep", "600"],
        name=f"webdyno-foreign-{time.monotonic_ns()}",
        detach=True,
        network_mode="none",
    )
    try:
        yield container
    finally:
        container.remove(force=True)


class Relay(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Passes on to the engine what a socket is told; the making of a SUT's container only after a while."""

    daemon_threads = True

    def __init__(self, path: Path, engine: Engine, late_s: float) -> None:
        self.upstream = engine.address.removeprefix("unix://")
        self.late_s = late_s
        self.asked, self.made = threading.Event(), threading.Event()
        super().__init__(str(path), _Passing)


class _Passing(socketserver.BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        """Pass on until the client has gone; what it asked for is carried out nevertheless."""
        with socket.socket(socket.AF_UNIX) as upstream:
            upstream.connect(self.server.upstream)
            back = threading.Thread(target=self._pass_back, args=(upstream,))
            back.start()
            with suppress(ConnectionError):
                while said := self.request.recv(65536):
                    if b"/containers/create?" in said and b"-sut " in said:
                        self.server.asked.set()
                        time.sleep(self.server.late_s)
                    upstream.sendall(said)
            back.join(2.0)  # the engine's answer to the last request
            with suppress(OSError):
                upstream.shutdown(socket.SHUT_RDWR)

    def _pass_back(self, upstream: socket.socket) -> None:
        with suppress(OSError):
            while said := upstream.recv(65536):
                if self.server.asked.is_set() and b" 201 Created" in said:
                    self.server.made.set()
                with suppress(OSError):  # the client has gone
                    self.request.sendall(said)


@contextmanager
def relay(path: Path, engine: Engine, late_s: float) -> Iterator[Relay]:
    """Serve a relay on a socket."""
    with Relay(path, engine, late_s) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def own_variant(home: Home, name: str, *options: str, requirements: str | None = None) -> None:
    """Put a variant of the tests' server into the project's folder, whole: an image holds nothing else."""
    folder = home.folder / "apps" / name
    folder.mkdir()
    shutil.copy(APPS / "server.py", folder)
    start = ["python", "{app_dir}/server.py", "--port", "{port}", *options]
    text = f'framework = "x"\nserver = "x"\ninterface = "x"\nconcurrency = "x"\nstart = {start}\n'
    if requirements is not None:
        (folder / "requirements.txt").write_text(requirements)
        text += 'requirements = "requirements.txt"\n'
    (folder / "variant.toml").write_text(text)


def package_index(folder: Path) -> Path:
    """Lay out a package index with the one package `only-here` and return its folder."""
    (folder / "simple/only-here").mkdir(parents=True)
    name = "only_here-1-py3-none-any.whl"
    (folder / "simple/only-here/index.html").write_text(f'<a href="/{name}">{name}</a>')
    about = "only_here-1.dist-info"
    with zipfile.ZipFile(folder / name, "w") as wheel:
        wheel.writestr("only_here.py", "")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: only-here\nVersion: 1\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    return folder
