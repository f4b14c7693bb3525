"""What goes wrong with an engine leaves nothing behind, and says why."""

import functools
import http.server
import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from containing import BASE, labelled, marks, own_variant, package_index, relay
from docker.errors import NotFound
from parties import until
from running import LEFT_WITHIN_S, Home, was_measured
from servicing import ServiceRun

from harness.ground.clock import SystemClock
from harness.ground.errors import EnvironmentUnfit
from harness.machine.backends.docker import DockerBackend
from harness.machine.engine import IMAGE_LABEL, Engine, connect
from harness.machine.services import postgres
from harness.machine.services.postgres import start_postgres
from harness.machine.services.service_images import ensure_images

pytestmark = marks


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a project of its own with the variant `plain`, run by the engine."""
    home = Home(tmp_path / "home")
    home.environment["WEBDYNO_BACKEND"] = "docker"
    own_variant(home, "plain")
    return home


def test_a_container_that_is_made_after_a_kill_is_removed(home: Home, engine: Engine, tmp_path: Path) -> None:
    """What an engine makes seconds after the harness was killed is found by its label and goes, too."""
    with relay(tmp_path / "engine.sock", engine, late_s=2) as slow:
        home.environment["DOCKER_HOST"] = f"unix://{tmp_path}/engine.sock"
        with home.start("run", "--suite", "tiny.toml") as command:
            assert slow.asked.wait(200), command.complaint.read_text()
            command.signal(signal.SIGKILL)
            command.child.wait()
            pid = command.child.pid
            assert slow.made.wait(LEFT_WITHIN_S)
            assert until(lambda: not labelled(engine, pid), bound_s=LEFT_WITHIN_S)
            assert until(lambda: not home.left({pid}), bound_s=LEFT_WITHIN_S), home.left({pid})


def test_clean_removes_what_a_killed_build_left(home: Home, engine: Engine, tmp_path: Path) -> None:
    """`webdyno clean` removes our images with their ended containers; what a user made of one stays."""
    mark, kept = f"{IMAGE_LABEL}=x", f"users-own/kept:{os.getpid()}"
    (tmp_path / "Dockerfile").write_text(f"FROM {BASE}\nLABEL {mark} of={kept}\nRUN true\nRUN false\n")
    said = list(engine.client.api.build(path=str(tmp_path), rm=False, forcerm=False, decode=True))
    steps = re.findall(r"Running in ([0-9a-f]+)", str(said))
    (tmp_path / "Dockerfile").write_text(f"FROM {BASE}\nLABEL {mark} kept={kept}\n")
    engine.client.images.build(path=str(tmp_path), tag=kept, rm=True)
    own = engine.client.containers.create(kept)
    try:
        with home.start("clean") as command:
            cleaned = command.end(bound_s=300)  # of all that tests have built
        assert cleaned.status == 0, cleaned
        left = {str(one.id)[:12] for one in engine.client.containers.list(all=True, ignore_removed=True)}
        assert set(steps[1:]) & left == set()  # the first one is of the foreign image
        assert len(steps) == 3
        images = engine.client.images.list(filters={"label": IMAGE_LABEL})
        assert [image.tags for image in images] == [[kept]]
    finally:
        own.remove()
        engine.client.images.remove(kept)
        for step in steps:
            with suppress(NotFound):
                engine.client.api.remove_container(step)


def test_a_database_that_can_not_be_seeded_says_why(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own last words are told where its container can't be seeded."""

    def fail(connection: psycopg.Connection[Any], _: bytes | None) -> None:
        connection.execute("SELECT 1 / 0")

    monkeypatch.setattr(postgres, "seed_database", fail)
    run = ServiceRun(tmp_path)
    backend = DockerBackend(connect(), run.id, run.journal, SystemClock(), run.backend)
    image = ensure_images(engine, ["postgres"], lambda _: None)["postgres"]
    try:
        with pytest.raises(EnvironmentUnfit, match="can't be seeded") as caught:
            start_postgres(backend, run.journal, cpus=(), log=tmp_path / "postgres.log", image=image)
        assert "ERROR:  division by zero" in caught.value.log
    finally:
        backend.close()
        run.close()
    assert labelled(engine, os.getpid()) == []


@contextmanager
def _proxy(folder: Path) -> Iterator[str]:
    """Serve, as a proxy that asks nobody, an index with one package; yield the proxy's address."""
    handler = functools.partial(_AnyHost, directory=str(package_index(folder)))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _AnyHost(http.server.SimpleHTTPRequestHandler):
    def translate_path(self, path: str) -> str:
        """Find a file whatever host it is asked of."""
        return super().translate_path(urlsplit(path).path)


def test_a_build_takes_the_proxy(home: Home, tmp_path: Path) -> None:
    """Packages are fetched by a proxy that is named in small letters."""
    own_variant(home, "proxied", requirements="only-here==1\n")
    home.suite(variants='["proxied"]', blocks="1")
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "PIP_EXTRA_INDEX_URL"):
        home.environment.pop(name, None)
    with _proxy(tmp_path / "index") as address:
        # Nobody listens there, and pip trusts it without TLS.
        home.environment |= {"http_proxy": address, "PIP_INDEX_URL": "http://127.0.0.2:9/simple"}
        with home.start("run", "--suite", "tiny.toml") as command:
            ended = command.end(bound_s=200)
    assert was_measured(home, ended), ended
    trial = json.loads((home.folders()[-1] / "trials/001/trial.json").read_bytes())
    assert trial["versions"]["only-here"] == "1"
