"""The container engine of this machine: whether one answers, and its errors in words.

Its client is imported where it is needed: most commands need no engine, and the reaper must start at once.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.ground.errors import EnvironmentUnfit

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.errors import APIError

RUN_LABEL = "webdyno.run"
"""What a run makes carries it, with the run's id and the harness's pid."""
IMAGE_LABEL = "webdyno.image"
"""Every image that is built here carries it. Containers inherit it: it says nothing about these."""
SWITCH = "WEBDYNO_DOCKER"
"""`off`: no engine is asked, whether there is one or not."""
_OLDEST_API = (1, 41)
"""Docker 20.10's: the first that knows control groups of version 2, and what Podman offers."""
_DEFAULT = "unix:///var/run/docker.sock"
_PATIENCE_S = 60
_APART = frozenset({"name=rootless", "name=userns"})
"""What an engine says of itself whose containers have users of their own, and maybe a network."""


class EngineLost(EnvironmentUnfit):
    """The engine can't be used, or not any more, whatever the variant: no further trial can begin."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that has answered."""

    address: str
    version: str
    """Such as `20.10.24`."""
    host: str
    """The name of the machine that it runs on, as it says."""
    client: DockerClient = field(repr=False)


def connect(address: str | None = None, patience_s: int = _PATIENCE_S) -> Engine:
    """Return the engine at an address, else the one that DOCKER_HOST or Docker's context names.

    Raises EnvironmentUnfit, with what to do about it, where there is none that can be used.
    """
    address = address or _configured()
    _knock(address)
    import docker

    with answering(address):
        client = docker.DockerClient(base_url=address, version="auto", timeout=patience_s)
        offered, itself = client.version(), client.info()
    try:
        _insist(address, offered, itself)
    except EnvironmentUnfit:
        client.close()
        raise
    return Engine(address, offered["Version"].partition("+")[0], itself.get("Name", ""), client)


def insist_on_this_machine(engine: Engine) -> None:
    """Raise EnvironmentUnfit for an engine whose containers are hardly to be seen from here."""
    if engine.host != socket.gethostname():
        raise EnvironmentUnfit(f"the engine runs on {engine.host or 'another machine'}, as it says")


@contextmanager
def answering(address: str) -> Iterator[None]:
    """Turn what the engine's client raises into an error that says what to do; raises EnvironmentUnfit."""
    from docker.credentials.errors import StoreError
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except APIError as error:
        raise refused(words_of(error), address) from error
    except StoreError as error:
        raise EnvironmentUnfit(
            f"Docker's own way to credentials fails: {error}",
            where="~/.docker/config.json",
            remedy="correct credsStore and credHelpers there, or remove them",
        ) from error
    except (DockerException, RequestException, HTTPError) as error:  # the last from within an answer
        raise EngineLost(
            f"the container engine does not answer: {type(error).__name__}",
            where=address,
            remedy="start it again; its own log says why it ended",
        ) from error


def words_of(error: APIError) -> str:
    """Return the engine's own words, in one line."""
    return " ".join(str(error.explanation or error).split())


def refused(explanation: str, address: str) -> EnvironmentUnfit:
    """Return the error for what the engine would not do, in its own words."""
    if "no space left" in explanation.lower():
        return EngineLost(
            "the container engine has no space left on its disk",
            where=address,
            remedy="webdyno clean removes our images; docker system df shows what else there is",
        )
    return EnvironmentUnfit(
        f"the container engine refuses: {explanation[:500]}",
        where=address,
        remedy="its own log may say more; --backend cgroup does without it",
    )


def _configured() -> str:
    if os.environ.get(SWITCH) == "off":
        raise EnvironmentUnfit("no container engine is asked", where=f"{SWITCH}=off", remedy="unset it")
    if given := os.environ.get("DOCKER_HOST"):
        return given
    from docker.context import ContextAPI

    context = ContextAPI.get_current_context()
    return (context.Host if context is not None else None) or _DEFAULT


def _insist(address: str, offered: Mapping[str, Any], itself: Mapping[str, Any]) -> None:
    """Raise EnvironmentUnfit for an engine that is too old, or whose containers share too little with us."""
    found: str = offered["ApiVersion"]
    if tuple(int(part) for part in found.split(".")) < _OLDEST_API:
        raise EnvironmentUnfit(
            f"the engine {offered['Version']} is too old: it offers API {found}",
            where=address,
            remedy=f"API {_OLDEST_API[0]}.{_OLDEST_API[1]} is the least: install Docker 20.10 or newer",
        )
    if _APART & frozenset(itself.get("SecurityOptions") or ()):
        raise EnvironmentUnfit(
            "the engine is rootless or remaps users: its containers share neither users nor network with us",
            where=address,
            remedy="use one that runs as root without userns-remap, or --backend cgroup, which needs no root",
        )


def _knock(address: str) -> None:
    """See whether somebody listens; raises EnvironmentUnfit. The client's own errors tell it less clearly."""
    scheme, _, path = address.partition("://")
    if scheme != "unix":
        raise EnvironmentUnfit(
            "is not an engine of this machine",
            where=address,
            remedy="containers are measured on 127.0.0.1: unset DOCKER_HOST, or docker context use default",
        )
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(5.0)
            probe.connect(f"/{path.lstrip('/')}")
    except PermissionError as error:
        raise EnvironmentUnfit(
            "this user may not use the container engine",
            where=path,
            remedy="join the group docker (which amounts to root), run as root, or use --backend cgroup",
        ) from error
    except OSError as error:
        raise EnvironmentUnfit(
            f"no container engine answers: {error.strerror or error}",
            where=path,
            remedy="start Docker (or Podman's socket, with DOCKER_HOST set), or use --backend cgroup",
        ) from error
