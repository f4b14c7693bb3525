"""The backend `docker` as a user meets it, in runs and in the commands that only start variants.

Whatever their end, only what is foreign is left.
"""

import functools
import http.server
import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from containing import BASE, foreign, labelled, marks, own_variant, package_index
from parties import until
from running import LEFT_WITHIN_S, ROOT, Home, codes, was_measured

from harness.machine.engine import IMAGE_LABEL, Engine

pytestmark = marks


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a project of its own with the variant `plain`, run by the engine."""
    home = Home(tmp_path / "home")
    home.environment["WEBDYNO_BACKEND"] = "docker"
    own_variant(home, "plain")
    (home.folder / "apps/plain/unused.py").write_text("def\n")  # a mistake that nothing imports
    return home


def test_a_run_gives_the_same_tables(home: Home, engine: Engine) -> None:
    """A run in containers has every figure that a run in control groups has, and leaves none of them."""
    with home.start("run", "--suite", "tiny.toml", "--blocks", "3", "--json") as command:
        ended = command.end(bound_s=200)
        assert ended.status == 0, ended
        assert labelled(engine, command.child.pid) == []
    record = json.loads((home.folders()[-1] / "run.json").read_bytes())
    assert record["backend"] == "docker"
    trial = json.loads((home.folders()[-1] / "trials/001/trial.json").read_bytes())
    assert trial["caps_enforced"]
    assert trial["versions"]["python"].startswith("3.")
    (cell,) = json.loads(ended.output)["cells"]
    missing = [name for name in ("requests_per_s", "startup_s") if cell[name] is None]
    figures: dict[str, Any] = {**cell["cpu"], **cell["memory_mib"], **cell["response_ms"]}
    missing += [name for name, figure in figures.items() if figure is None]
    assert missing == ["yardsticks_per_request"]  # which is measured at a given rate alone


def test_nothing_outlives_a_kill(home: Home, engine: Engine) -> None:
    """After kill -9 under load our container is gone in 10 s, a foreign one runs on, and resume finishes."""
    with foreign(engine) as other, home.start("run", "--suite", "tiny.toml") as command:
        command.await_said("trial 1/2")
        command.await_load()
        assert len(labelled(engine, command.child.pid)) == 1
        command.signal(signal.SIGKILL)
        command.child.wait()
        pids = {command.child.pid}
        assert until(lambda: not labelled(engine, command.child.pid), bound_s=LEFT_WITHIN_S)
        assert until(lambda: not home.left(pids), bound_s=LEFT_WITHIN_S), home.left(pids)
        other.reload()
        assert other.status == "running"
    resumed = home.do("resume", "--yes")
    assert was_measured(home, resumed), resumed
    assert len(home.trials()) == 2


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_an_end_while_an_image_is_built_leaves_nothing(
    home: Home, engine: Engine, number: signal.Signals, status: int
) -> None:
    """After kill -9 or Ctrl-C in a build its container is gone in 10 s, and the next run builds the image."""
    home.suite(blocks="1")
    own, pause = home.folder / "apps/plain/Dockerfile", f"sleep 600.{os.getpid()}"
    recipe = f"FROM {BASE}\nCOPY apps/plain /apps/plain\n"
    own.write_text(f"{recipe}RUN {pause}\n")

    def pausing() -> bool:
        containers = engine.client.containers.list(all=True, ignore_removed=True)
        return any(pause in str(one.attrs["Config"]["Cmd"]) for one in containers)

    with home.start("run", "--suite", "tiny.toml") as command:
        assert until(pausing), command.complaint.read_text()
        command.signal(number)
        assert command.child.wait(LEFT_WITHIN_S) == status
        assert until(lambda: not pausing(), bound_s=LEFT_WITHIN_S)
        assert "Traceback" not in command.complaint.read_text()
    own.write_text(recipe)
    with home.start("run", "--suite", "tiny.toml") as command:
        ended = command.end(bound_s=200)
    assert was_measured(home, ended), ended


def test_a_polite_end_leaves_nothing(home: Home, engine: Engine) -> None:
    """Ctrl-C under load ends the run with 130 and removes its container."""
    with home.start("run", "--suite", "tiny.toml") as command:
        command.await_load()
        command.signal(signal.SIGINT)
        assert command.end().status == 130
        assert labelled(engine, command.child.pid) == []


def test_over_allocation_is_told(home: Home) -> None:
    """A variant that is killed at its memory cap makes its trial invalid by `oom-killed`."""
    own_variant(home, "hoarding", "--hoard-after", "300")
    home.suite(variants='["hoarding"]', blocks="1")
    with home.start("run", "--suite", "tiny.toml", "--memory", "128m", "--json") as command:
        ended = command.end(bound_s=200)
    assert ended.status == 4, ended
    assert codes(ended)["hoarding"]["oom-killed"] == "invalid"


def test_a_variant_that_does_not_start_says_why(home: Home) -> None:
    """The end of a container's own words is shown where its variant does not start."""
    own_variant(home, "unstartable", "--refuse-to-start")
    with home.start("run", "--suite", "tiny.toml", "--variant", "unstartable") as command:
        ended = command.end(bound_s=200)
    assert ended.status == 4, ended
    assert "no: the configuration is broken" in ended.complaint


def test_clean_removes_what_is_ours_alone(home: Home, engine: Engine) -> None:
    """`webdyno clean` removes our images and says how much room that made; a foreign container runs on."""
    with home.start("run", "--suite", "tiny.toml", "--blocks", "1") as command:
        assert was_measured(home, command.end(bound_s=200))
    image = engine.client.images.list(name="webdyno/plain")[0]
    kept = f"users-own-webdyno/kept:{os.getpid()}"
    assert image.tag(kept)
    try:
        with foreign(engine) as other:
            cleaned = home.do("clean")
            assert (cleaned.status, "the container engine has" in cleaned.output) == (0, True), cleaned
            left = [one.tags for one in engine.client.images.list(filters={"label": IMAGE_LABEL})]
            assert left == [[kept]]
            other.reload()
            assert other.status == "running"
    finally:
        engine.client.images.remove(kept)


def test_a_bridge_is_crossed_and_told(home: Home, engine: Engine) -> None:
    """With `--network bridge` a container has a network of its own, one port is published, and it is told."""
    own_variant(home, "bridged", "--host", "{host}")
    home.suite(variants='["bridged"]', blocks="1", window_s="5")  # long enough to be looked at meanwhile
    with home.start("run", "--suite", "tiny.toml", "--network", "bridge") as command:
        command.await_load(bound_s=200)  # its image is built first
        (name,) = labelled(engine, command.child.pid)
        held = engine.client.containers.get(name).attrs["HostConfig"]
        ended = command.end(bound_s=200)
    assert was_measured(home, ended), ended
    assert held["NetworkMode"] == "bridge"
    ((published,),) = held["PortBindings"].values()
    assert published["HostIp"] == "127.0.0.1"
    (run,) = home.folders()
    assert json.loads((run / "run.json").read_bytes())["network"] == "bridge"
    page = next((home.folder / "reports").glob("*/*.html")).read_text()
    assert "the engine&#39;s bridge" in page


@pytest.mark.parametrize(
    ("scenario", "backend", "told"),
    [
        ("hello", "cgroup", "only containers can be on a bridge"),
        ("history", "docker", "servers for history listen on 127.0.0.1"),
    ],
)
def test_a_bridge_that_leads_nowhere_is_refused(home: Home, scenario: str, backend: str, told: str) -> None:
    """A bridge without containers, or to a service of this machine, is a mistake in the command."""
    home.suite(scenarios=f'["{scenario}"]')
    ended = home.do("run", "--suite", "tiny.toml", "--network", "bridge", "--backend", backend)
    assert (ended.status, told in ended.complaint) == (2, True), ended


def _parties(engine: Engine, pid: int) -> set[str]:
    return {name.rpartition("-")[2] for name in labelled(engine, pid)}


@pytest.mark.timeout(900)  # its image is built from nothing
def test_a_base_variant_is_measured_with_every_service(home: Home, engine: Engine) -> None:
    """A base variant in its container keeps its contract, and reaches whatever the scenarios need."""
    (home.folder / "apps/flask-gunicorn").symlink_to(ROOT / "apps/flask-gunicorn")
    scenarios = {"hello", "documents", "text", "classify", "tls"}
    home.suite(variants='["flask-gunicorn"]', scenarios=str(sorted(scenarios)), blocks="1")
    with home.start("run", "--suite", "tiny.toml", "--yes", "--json") as command:
        parties = {"sut", "postgres", "valkey", "llm"}
        assert until(lambda: parties <= _parties(engine, command.child.pid), bound_s=500)
        ended = command.end(bound_s=350)  # five trials, and the contract's hundreds of cases
        assert labelled(engine, command.child.pid) == []
    services = json.loads((home.folders()[-1] / "run.json").read_bytes())["services"]
    assert services["postgres"].endswith("(image)")
    assert services["valkey"].endswith("(image)")
    found = codes(ended, by="scenario")
    assert found.keys() == scenarios
    # Not whether each is valid: a second is too short for the hit rate of `text`.
    wrong = {"errors", "trial-failed", "sut-crashed", "oom-killed", "caps-not-enforced", "count-mismatch"}
    assert {name: wrong & of.keys() for name, of in found.items() if wrong & of.keys()} == {}


@pytest.mark.timeout(900)  # its image is built from nothing
def test_the_contract_of_an_image_is_verified(home: Home, engine: Engine) -> None:
    """`webdyno verify` holds a base variant in containers to every case, and leaves none."""
    (home.folder / "apps/flask-gunicorn").symlink_to(ROOT / "apps/flask-gunicorn")
    with home.start("verify", "flask-gunicorn", "--yes", "--json") as command:
        ended = command.end(bound_s=800)
        assert labelled(engine, command.child.pid) == []
    assert ended.status == 0, ended
    assert "by the backend docker" in ended.complaint
    (cases,) = json.loads(ended.output).values()
    unchecked = {case["difference"] for case in cases if not case["passed"]}
    assert all("is for a variant without" in why for why in unchecked), unchecked


def test_a_mistake_of_the_image_is_found_where_it_is(home: Home) -> None:
    """What only the image answers wrong breaks the contract with the engine, and not without it."""
    home.scenarios({})
    (home.folder / "apps/plain/Dockerfile").write_text(
        f"FROM {BASE}\nCOPY apps/plain /apps/plain\n"
        "RUN sed -i 's/Hello, World!/Hello, Word!/' /apps/plain/server.py && chmod -R a+rX /apps\n"
    )
    ended = [home.do("verify", "plain", "--backend", backend) for backend in ("docker", "cgroup")]
    assert [one.status for one in ended] == [1, 0], ended
    assert "does not keep the contract: plain" in ended[0].complaint


def test_a_variant_is_served_from_a_container(home: Home, engine: Engine) -> None:
    """`webdyno serve` serves from one container under the caps until Ctrl-C, which removes it."""
    home.scenarios({})
    with home.start("serve", "plain", "--port", "9021", "--memory", "96m") as command:
        assert until(lambda: command.said("by the backend docker); Ctrl-C ends it"), bound_s=200)
        (name,) = labelled(engine, command.child.pid)
        assert engine.client.containers.get(name).attrs["HostConfig"]["Memory"] == 96 << 20
        assert httpx.get("http://127.0.0.1:9021/json").json() == {"message": "Hello, World!"}
        command.signal(signal.SIGINT)
        ended = command.end(bound_s=20)
        assert labelled(engine, command.child.pid) == []
    assert ended.status == 0, ended


@pytest.mark.parametrize(
    ("changed", "status", "told"),
    [
        ({"DOCKER_HOST": "unix:///nowhere/docker.sock"}, 3, "no container engine answers"),
        ({"DOCKER_HOST": "ssh://elsewhere"}, 3, "is not an engine of this machine"),
        ({"WEBDYNO_DOCKER": "off"}, 3, "no container engine is asked"),
        ({"PYTHON_IMAGE": "127.0.0.1:1/none:1"}, 3, "the image 127.0.0.1:1/none:1 can't be had"),
    ],
)
def test_what_is_missing_is_said(home: Home, changed: dict[str, str], status: int, told: str) -> None:
    """What keeps the engine from being used is said in one message, with the exit code for it."""
    home.environment |= changed
    ended = home.do("run", "--suite", "tiny.toml")
    assert (ended.status, told in ended.complaint) == (status, True), ended


def test_requirements_that_can_not_be_met_are_the_variants(home: Home) -> None:
    """A build that fails ends the run with 4 and the installer's own last words."""
    own_variant(home, "wishing", requirements="no-such-package-as-this==1\n")
    with home.start("run", "--suite", "tiny.toml", "--variant", "wishing") as command:
        ended = command.end(bound_s=200)
    assert ended.status == 4, ended
    assert "the image of wishing can't be built" in ended.complaint
    assert "no-such-package-as-this" in ended.complaint


@pytest.mark.parametrize(
    ("changed", "backend", "told"),
    [
        ({}, "docker", ""),
        ({"DOCKER_HOST": "unix:///nowhere/docker.sock"}, "cgroup", ""),
        ({"PYTHON_IMAGE": "127.0.0.1:1/none:1"}, "cgroup", "not in containers"),
    ],
)
def test_auto_takes_an_engine_that_can_be_used(
    home: Home, changed: dict[str, str], backend: str, told: str
) -> None:
    """Without a wish for a backend it is the engine's, and the control groups' where that can't do it."""
    home.suite(blocks="1")
    del home.environment["WEBDYNO_BACKEND"]
    home.environment |= changed
    with home.start("run", "--suite", "tiny.toml") as command:
        ended = command.end(bound_s=200)
    assert (ended.status, told in ended.complaint) == (0, True), ended
    assert json.loads((home.folders()[-1] / "run.json").read_bytes())["backend"] == backend


def test_an_image_needs_no_python(home: Home) -> None:
    """A variant's own recipe may make an image without the program `python`; its versions are not told."""
    own_variant(home, "bare")
    folder = home.folder / "apps/bare"
    (folder / "Dockerfile").write_text(
        f"FROM {BASE}\nRUN rm /usr/local/bin/python\nCOPY apps/bare /apps/bare\n"
    )
    text = (folder / "variant.toml").read_text()
    (folder / "variant.toml").write_text(text.replace("'python'", "'python3'"))
    home.suite(variants='["bare"]', blocks="1")
    with home.start("run", "--suite", "tiny.toml") as command:
        ended = command.end(bound_s=200)
    assert was_measured(home, ended), ended
    assert json.loads((home.folders()[-1] / "trials/001/trial.json").read_bytes())["versions"] == {}


@contextmanager
def _index(folder: Path) -> Iterator[str]:
    """Serve a package index with the one package `only-here`, and yield its host and port."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(package_index(folder)))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_an_index_of_ones_own_is_used_and_forgotten(home: Home, engine: Engine, tmp_path: Path) -> None:
    """Packages come from the index that pip is told here; its password is nowhere in the image."""
    own_variant(home, "private", requirements="only-here==1\n")
    home.suite(variants='["private"]', blocks="1")
    with _index(tmp_path / "index") as address:
        home.environment["PIP_INDEX_URL"] = f"http://somebody:sesame@{address}/simple"
        with home.start("run", "--suite", "tiny.toml") as command:
            ended = command.end(bound_s=200)
    assert was_measured(home, ended), ended
    trial = json.loads((home.folders()[-1] / "trials/001/trial.json").read_bytes())
    assert trial["versions"]["only-here"] == "1"
    image = engine.client.images.list(name="webdyno/private")[0]
    assert "sesame" not in f"{image.attrs} {image.history()}"
