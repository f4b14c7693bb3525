"""Starts real variants, each in its own environment."""

from __future__ import annotations

import itertools
import os
import secrets
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import psycopg
import pytest

from harness.ground import process
from harness.ground.clock import SystemClock
from harness.ground.model import Caps, Variant
from harness.lifecycle.sut import is_free
from harness.machine import environments, setups
from harness.machine.backends.cgroup import CgroupBackend
from harness.machine.custody import collector
from harness.machine.custody.journal import NAME, Journal
from harness.machine.environments import Environment
from harness.machine.services.tls import CA_FILE, CERT, KEY
from harness.records import manifest

APPS = Path(__file__).parents[1] / "apps"
VARIANTS = ("fastapi-uvicorn", "flask-gunicorn", "django-gunicorn")
POOL_SIZE = 3
PATIENCE_S = 60
"""A bound for what must come about at some time, on a machine with other things to do."""
EVERYTHING = frozenset({"classifier", "keys", "llm", "postgres", "valkey"})
"""The services of `with_everything`."""
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PORTS = range(20000 + 1000 * _WORKER, 21000 + 1000 * _WORKER)
"""Of this process alone, and below those that the kernel gives: whoever listens later finds its port free."""
_turns = itertools.count(os.getpid() * 7)


@dataclass(frozen=True, slots=True)
class Database:
    """A server with the seed's rows, which logs every statement."""

    url: str
    log: Path


@dataclass(frozen=True, slots=True)
class Served:
    """A variant that answers."""

    url: str
    group: int
    log: Path


Serve = Callable[..., AbstractContextManager[Served]]


def free_port() -> int:
    """Return a port that nothing listens on, another one each time."""
    ports = (_PORTS[turn % len(_PORTS)] for turn in itertools.islice(_turns, len(_PORTS)))
    return next(port for port in ports if is_free(port))


def wait_until(ready: Callable[[], bool], child: subprocess.Popen[bytes], log: Path) -> None:
    """Ask every 20 ms until it is so; fail with the log where the process ends or PATIENCE_S have passed."""
    deadline = time.monotonic() + PATIENCE_S
    while not ready():
        if child.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"not ready:\n{process.last_lines(log)}")
        time.sleep(0.02)


@contextmanager
def serving(
    name: str,
    services: Mapping[str, str],
    log: Path,
    *,
    apps: Path = APPS,
    cpus: float = 1,
    python: str | None = None,
) -> Iterator[Served]:
    """Serve a variant on a free port, from its first healthy answer to the end of its last process."""
    variant = replace(manifest.load_variant(apps / name), python=python)
    environment = set_up(variant, environments.ensure(variant), log.parent)
    variant = replace(variant, folder=str(environment.code or apps / name))
    port = free_port()
    cert, key, ca_file = (services.get(name, "") for name in (CERT, KEY, CA_FILE))
    url = f"{'https' if cert else 'http'}://127.0.0.1:{port}"
    trust = ssl.create_default_context(cafile=ca_file or None)
    command = process.Command(
        manifest.start_command(
            variant,
            host="127.0.0.1",
            port=port,
            caps=Caps(cpus, 1 << 30),
            settings={},
            tls_cert=cert,
            tls_key=key,
        ),
        variant.folder,
        environments.sut_environment(environment, variant, services, apps_root=apps),
        str(log),
    )
    child = process.start(command)
    try:
        wait_until(lambda: healthy(url, trust), child, log)
        yield Served(url, child.pid, log)
    finally:
        process.end(child, grace_s=10)
        wait_for(lambda: gone(child.pid))


def set_up(variant: Variant, environment: Environment, folder: Path) -> Environment:
    """Run the variant's setup, if it has one, as a run would."""
    run = f"test-{secrets.token_hex(4)}"
    journal = Journal(folder / run / NAME, run)
    backend = CgroupBackend(run, journal, SystemClock())
    try:
        return setups.ensure(variant, environment, setups.Means(backend, SystemClock(), folder))
    finally:
        backend.close()
        journal.close()
        collector.collect(journal.path)


def gone(group: int) -> bool:
    """Tell that no process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def accepts(url: str) -> bool:
    """Tell whether the server lets us in."""
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def healthy(url: str, trust: ssl.SSLContext | bool = True) -> bool:
    """Tell whether the variant says that it serves."""
    try:
        return httpx.get(f"{url}/healthz", timeout=5, verify=trust).status_code == 200
    except httpx.TransportError:
        return False


def wait_for(fact: Callable[[], bool]) -> None:
    """Ask every 20 ms until it is so; fail after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while not fact():
        if time.monotonic() > deadline:
            pytest.fail(f"it did not become so within {PATIENCE_S} s")
        time.sleep(0.02)
