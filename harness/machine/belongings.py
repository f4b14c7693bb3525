"""What of ours an engine holds, and how it is removed."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from harness.ground.errors import EnvironmentUnfit
from harness.machine.engine import IMAGE_LABEL, RUN_LABEL, Engine, answering, connect, words_of

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

REPOSITORY = "webdyno/"
"""What the names of our images begin with. A user's own that is made of one inherits its label alone."""
_COMPOSED = "webdyno-compose/"
"""Likewise of those that `docker-compose.yml` builds."""
_LOOK_S = 0.5


def label_of(run: str, pid: int) -> str:
    """Return the label of what one harness makes for a run, which keeps its id when it is resumed."""
    return f"{run}.{pid}"


def remove_labelled(address: str, label: str, settle_s: float = 0.5) -> tuple[str, ...]:
    """Remove the containers that carry a label; return what is left, in words.

    Looks until the time to settle is over: the engine may still be making what a killed harness asked for.
    """
    limit_s = time.monotonic() + settle_s
    try:
        engine = connect(address, patience_s=20)
        with answering(address):
            left = _remove(engine.client, f"{RUN_LABEL}={label}")
            while time.monotonic() < limit_s:
                time.sleep(_LOOK_S)
                left = _remove(engine.client, f"{RUN_LABEL}={label}")
            return left
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
        labelled: dict[str, Any] = {"label": IMAGE_LABEL}
        every = engine.client.images.list(all=True, filters=labelled)
        own = {image.id for image in every if len(_own_names(image.tags)) == len(image.tags)}
        left += _remove_ended(engine.client, own)
        for image in engine.client.images.list(filters=labelled):
            for name in _own_names(image.tags) if image.tags else (str(image.id),):
                try:
                    engine.client.images.remove(name)
                except APIError as error:
                    if error.status_code != 404:  # went with another one
                        left.append(f"image {name} ({words_of(error)[:200]})")
        after = _layers_bytes(engine.client)
        return tuple(left), 0 if before is None or after is None else max(0, before - after)


def _own_names(tags: Iterable[str]) -> tuple[str, ...]:
    """Return which names of an image are ours; Podman puts `localhost/` before them."""
    return tuple(tag for tag in tags if tag.removeprefix("localhost/").startswith((REPOSITORY, _COMPOSED)))


def _layers_bytes(client: DockerClient) -> int | None:
    """Return how much room all images take; None where the engine takes too long to add it up."""
    from docker.errors import APIError
    from requests.exceptions import Timeout

    try:
        return int(client.df().get("LayersSize") or 0)
    except (APIError, Timeout):
        return None


def _remove(client: DockerClient, label: str) -> tuple[str, ...]:
    wanted: dict[str, Any] = {"label": label}
    return _removed(client.containers.list(all=True, filters=wanted, ignore_removed=True))


def _removed(containers: Iterable[Container]) -> tuple[str, ...]:
    """Remove containers; return what is left, in words."""
    from docker.errors import APIError, NotFound

    left = []
    for container in containers:
        try:
            container.remove(force=True, v=True)
        except NotFound:  # somebody else was quicker
            pass
        except APIError as error:
            if error.status_code != 409:  # its removal is in progress
                left.append(f"container {container.name}")
    return tuple(left)


def _remove_ended(client: DockerClient, images: Collection[str | None]) -> tuple[str, ...]:
    """Remove containers of these images that don't run, such as those in which a killed build took a step."""
    found = client.containers.list(all=True, ignore_removed=True)
    ended = (one for one in found if one.status in ("created", "exited", "dead"))
    return _removed(one for one in ended if one.attrs["Image"] in images)
