"""The container engine of this machine: whether one answers, and what of ours it holds.

Its client is imported where it is needed: most commands need no engine, and the reaper must start at once.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.ground.errors import EnvironmentUnfit

if TYPE_CHECKING:
    from docker import DockerClient

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


class EngineLost(EnvironmentUnfit):
    """The engine does not answer any more: no further trial can begin."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that has answered."""

    address: str
    version: str
    """Such as `20.10.24`."""
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
        offered = client.version()
    found = offered["ApiVersion"]
    if tuple(int(part) for part in found.split(".")) < _OLDEST_API:
        client.close()
        raise EnvironmentUnfit(
            f"the engine {offered['Version']} is too old: it offers API {found}",
            where=address,
            remedy=f"API {_OLDEST_API[0]}.{_OLDEST_API[1]} is the least: install Docker 20.10 or newer",
        )
    return Engine(address, offered["Version"].partition("+")[0], client)


@contextmanager
def answering(address: str) -> Iterator[None]:
    """Turn what the engine's client raises into an error that says what to do; raises EnvironmentUnfit."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except APIError as error:
        raise refused(" ".join(str(error.explanation or error).split()), address) from error
    except (DockerException, RequestException) as error:
        raise EngineLost(
            f"the container engine does not answer: {type(error).__name__}",
            where=address,
            remedy="start it again; its own log says why it ended",
        ) from error


def refused(explanation: str, address: str) -> EnvironmentUnfit:
    """Return the error for what the engine would not do, in its own words."""
    if "no space left" in explanation.lower():
        return EnvironmentUnfit(
            "the container engine has no space left on its disk",
            where=address,
            remedy="webdyno clean removes our images; docker system df shows what else there is",
        )
    return EnvironmentUnfit(f"the container engine refuses: {explanation[:500]}", where=address)


def label_of(run: str, pid: int) -> str:
    """Return the label of what one harness makes for a run, which keeps its id when it is resumed."""
    return f"{run}.{pid}"


def remove_labelled(address: str, label: str, settle_s: float = 0.5) -> tuple[str, ...]:
    """Remove the containers, networks and volumes that carry a label; return what is left, in words.

    Looks twice, since the engine may still be making what a killed harness asked for.
    """
    try:
        engine = connect(address, patience_s=20)
        with answering(address):
            _remove(engine.client, f"{RUN_LABEL}={label}")
            time.sleep(settle_s)
            return _remove(engine.client, f"{RUN_LABEL}={label}")
    except EnvironmentUnfit as error:
        return (f"containers with the label {RUN_LABEL}={label}: {error.what}",)


def remove_ours(engine: Engine) -> tuple[tuple[str, ...], int]:
    """Remove whatever of any run the engine holds, images included; no run may be going on.

    Returns what is left, in words, and the bytes that were won.
    """
    from docker.errors import APIError

    with answering(engine.address):
        before = _layers_bytes(engine.client)
        left = list(_remove(engine.client, RUN_LABEL))
        ours: dict[str, Any] = {"label": IMAGE_LABEL}
        for image in engine.client.images.list(filters=ours):
            for name in image.tags or (str(image.id),):
                try:
                    engine.client.images.remove(name)
                except APIError as error:
                    if error.status_code != 404:  # went with another one
                        left.append(f"image {name}, which a container uses")
        return tuple(left), max(0, before - _layers_bytes(engine.client))


def _layers_bytes(client: DockerClient) -> int:
    return int(client.df().get("LayersSize") or 0)


def _remove(client: DockerClient, label: str) -> tuple[str, ...]:
    from docker.errors import APIError, NotFound

    left = []
    wanted: dict[str, Any] = {"label": label}
    for container in client.containers.list(all=True, filters=wanted, ignore_removed=True):
        try:
            container.remove(force=True, v=True)
        except NotFound:  # somebody else was quicker
            pass
        except APIError as error:
            if error.status_code != 409:  # its removal is in progress
                left.append(f"container {container.name}")
    for network in client.networks.list(filters=wanted):
        network.remove()
    for volume in client.volumes.list(filters=wanted):
        volume.remove(force=True)
    return tuple(left)


def _configured() -> str:
    if os.environ.get(SWITCH) == "off":
        raise EnvironmentUnfit("no container engine is asked", where=f"{SWITCH}=off", remedy="unset it")
    if given := os.environ.get("DOCKER_HOST"):
        return given
    from docker.context import ContextAPI

    context = ContextAPI.get_current_context()
    return (context.Host if context is not None else None) or _DEFAULT


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
