"""Building images: what the engine is given, what it says meanwhile, and why it failed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.ground.errors import EnvironmentUnfit, WebdynoError
from harness.machine.belongings import REPOSITORY
from harness.machine.engine import IMAGE_LABEL, Engine, EngineLost, answering, refused, words_of
from harness.records.scaffold import CACHES

BASE_VARIABLE = "PYTHON_IMAGE"
_BASE = "python:{version}-slim-bookworm"
DEFAULT_PYTHON = "3.13"
"""The Python of images where a variant asks for none."""
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
GIVEN = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", *_PROXIES, *map(str.lower, _PROXIES))
"""What a build inherits from us, where it is set; the variables of pip never reach the finished image."""
_UNREACHABLE = (
    "name resolution",
    "failure resolving",
    "no such host",
    "failed to establish a new connection",
    "connection refused",
    "i/o timeout",
    "tls handshake timeout",
    "timed out",
    "timeout exceeded",
    "network is unreachable",
    "cannot connect to proxy",
)
_NOT_PULLED = ("pull access denied", "manifest unknown", "toomanyrequests")
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class File:
    """One file of a recipe."""

    path: str
    content: bytes
    executable: bool = False

    @classmethod
    def of(cls, source: Path, path: str) -> File:
        """Return a file of this machine under another path; raises OSError where it can't be read."""
        content = source.read_bytes()
        return cls(path, content, content.startswith(b"#!") or bool(source.stat().st_mode & stat.S_IXUSR))


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an image is made of; the same content is never built twice."""

    name: str
    """Of what is in it."""
    files: tuple[File, ...]
    """The recipe itself is the file `Dockerfile`."""
    arguments: Mapping[str, str]
    where: str
    """The folder or file that a failure is about."""
    blame: type[WebdynoError]
    """What a failure is whose cause is neither the network nor the disk."""
    base_id: str = ""
    """Of the image that it begins with: one that was pulled anew makes another image."""
    target: str = ""
    """The stage to be built; the last one where empty."""


def base_image(version: str | None = None) -> str:
    """Return the image that recipes begin with, for a version of Python such as `3.12`."""
    return os.environ.get(BASE_VARIABLE) or _BASE.format(version=version or DEFAULT_PYTHON)


def ensure_pulled(engine: Engine, name: str, report: Report, variable: str = BASE_VARIABLE) -> str:
    """Return the id of an image of others, which a variable may name; pulled now if need be.

    Raises EnvironmentUnfit.
    """
    with answering(engine.address):
        if not _is_there(engine, name):
            report(f"pulling {name}")
            words = _pull(engine, name)
            if "no space left" in words.lower():
                raise refused(words, engine.address)
            if words:
                raise EnvironmentUnfit(
                    f"the image {name} can't be had: {words[:300]}",
                    where=engine.address,
                    remedy=f"check the network, or name one that is here: {variable}=…",
                )
        return str(engine.client.images.get(name).id)


def ensure_built(engine: Engine, recipe: Recipe, report: Report) -> str:
    """Return the tag of a recipe's image; built now, and `report` told so, where it is not there yet.

    Raises what the recipe blames, or EnvironmentUnfit for an image or a registry that can't be had, or a
    full disk.
    """
    content = json.dumps([dict(recipe.arguments), recipe.base_id, recipe.target], sort_keys=True).encode()
    context = _pack(recipe.files)
    key = hashlib.sha256(context + content).hexdigest()[:24]
    tag = f"{REPOSITORY}{re.sub(r'[^a-z0-9._-]+', '-', recipe.name.lower())}:{key}"
    with answering(engine.address):
        if not _is_there(engine, tag):
            report(f"building the image of {recipe.name}")
            _build(engine, recipe, context, tag, report)
            if not _is_there(engine, tag):
                raise EngineLost(
                    f"the build of the image of {recipe.name} was cut short",
                    where=engine.address,
                    remedy="the engine's own log says why",
                )
    return tag


def files_of(folder: Path, target: str) -> Iterator[File]:
    """Yield a folder's files as a recipe has them, under another path; links stand for what they lead to."""
    for path in sorted(folder.iterdir()):
        if path.is_file():
            yield File.of(path, f"{target}/{path.name}")
        elif path.is_dir() and path.name not in CACHES and path.resolve() not in _around(path):
            yield from files_of(path, f"{target}/{path.name}")


def _around(path: Path) -> tuple[Path, ...]:
    """Return the folders on the way to a path: a link to one of them would have no end."""
    return tuple(one.resolve() for one in path.absolute().parents)


def _pull(engine: Engine, name: str) -> str:
    """Return why an image can't be pulled, in the engine's words; empty where it is here now."""
    from docker.errors import APIError
    from docker.utils import parse_repository_tag

    repository, tag = parse_repository_tag(name)
    words = ""
    try:
        for told in engine.client.api.pull(repository, tag=tag or "latest", stream=True, decode=True):
            words = words or str(told.get("error", ""))  # of what went wrong once the answer had begun
    except APIError as error:
        return words_of(error)
    return " ".join(words.split())


def _is_there(engine: Engine, tag: str) -> bool:
    from docker.errors import ImageNotFound

    try:
        engine.client.images.get(tag)
    except ImageNotFound:
        return False
    return True


def _pack(files: Iterable[File]) -> bytes:
    """Return an archive: the same files give the same bytes."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for file in files:
            member = tarfile.TarInfo(file.path)
            member.size, member.mode = len(file.content), 0o755 if file.executable else 0o644
            archive.addfile(member, io.BytesIO(file.content))
    return whole.getvalue()


def _build(engine: Engine, recipe: Recipe, context: bytes, tag: str, report: Report) -> None:
    arguments = {name: os.environ[name] for name in GIVEN if name in os.environ}
    said: list[str] = []
    for told in engine.client.api.build(
        fileobj=io.BytesIO(context),
        custom_context=True,
        tag=tag,
        buildargs=arguments | dict(recipe.arguments),
        labels={IMAGE_LABEL: recipe.name},
        target=recipe.target,
        network_mode="host",
        rm=True,
        forcerm=True,
        decode=True,
    ):
        line = str(told.get("error") or told.get("stream") or "").strip()
        said += line.splitlines()
        if "error" in told:
            raise why(recipe, said, engine.address)
        if line.startswith("Step "):
            report(f"building the image of {recipe.name}: {line.partition(' :')[0].lower()}")


def why(recipe: Recipe, said: list[str], address: str) -> WebdynoError:
    """Return the error that tells why a build failed, by its last lines."""
    log = "\n".join("".join(c for c in line[:300] if c.isprintable()) for line in said[-15:])
    low = log.lower()
    what = f"the image of {recipe.name} can't be built"
    if "no space left" in low:
        return refused(low, address)
    if any(sign in low for sign in _NOT_PULLED):
        remedy = f"name one that is here: {BASE_VARIABLE}=…"
        if BASE_VARIABLE not in recipe.arguments:
            remedy = "load into the engine what its Dockerfile begins with, or use --backend cgroup"
        return EnvironmentUnfit(f"{what}: its base can't be pulled", remedy=remedy, log=log)
    if any(sign in low for sign in _UNREACHABLE):
        return EnvironmentUnfit(
            f"{what}: a registry can't be reached",
            remedy="check the network and the proxy; images that were built before need neither",
            log=log,
        )
    return recipe.blame(what, where=recipe.where, remedy="correct what it installs, or its recipe", log=log)
