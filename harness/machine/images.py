"""One image a variant, built from `apps/Dockerfile`, named by its content and kept between runs."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.ground.errors import EnvironmentUnfit, VariantFailed, WebdynoError
from harness.ground.model import Variant
from harness.machine import interpreters
from harness.machine.engine import IMAGE_LABEL, RUN_LABEL, Engine, answering, refused
from harness.machine.environments import Environment

APPS = Path("/apps")
"""Where an image holds what the project's `apps` holds: `domain`, and the variant's own folder."""
BASE_VARIABLE = "PYTHON_IMAGE"
_BASE = "python:{version}-slim-bookworm"
_VERSION = "3.13"
_REPOSITORY = "webdyno/"
_GIVEN = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""What a build inherits from us, where it is set; the variables of pip never reach the finished image."""
_UNREACHABLE = (
    "name resolution",
    "no such host",
    "failed to establish a new connection",
    "connection refused",
    "i/o timeout",
    "tls handshake timeout",
    "network is unreachable",
)
_PROBE = """\
import importlib.metadata, json, platform, sys, sysconfig
print(json.dumps({
    "python": platform.python_version(),
    "packages": {package.metadata["Name"].lower().replace("_", "-"): package.version
                 for package in importlib.metadata.distributions(path=sys.path[-1:])},
    "configured": sysconfig.get_config_var("CONFIG_ARGS") or "",
    "prefix": sys.base_prefix,
}))
"""


def ensure(
    engine: Engine,
    variant: Variant,
    *,
    apps_root: Path,
    label: str,
    report: Callable[[str], None] = lambda _: None,
) -> Environment:
    """Return the environment that the variant's image holds; built now, and `report` told so, if need be.

    `label` is the run's. Raises VariantFailed for a recipe or requirements that can't be carried out,
    EnvironmentUnfit for an image or a registry that can't be had, or a full disk.
    """
    own = Path(variant.folder, "Dockerfile")
    recipe = own if own.is_file() else apps_root / "Dockerfile"
    base = os.environ.get(BASE_VARIABLE) or _BASE.format(version=variant.python or _VERSION)
    base_id = "" if own.is_file() else _ensure_base(engine, base, report)
    context = _context(variant, recipe, apps_root)
    key = hashlib.sha256(context + json.dumps([base, base_id]).encode()).hexdigest()[:24]
    tag = f"{_REPOSITORY}{re.sub(r'[^a-z0-9._-]+', '-', variant.id.lower())}:{key}"
    if not _is_there(engine, tag):
        report(f"building the image of {variant.id}")
        _build(engine, variant, context, base, tag, report)
    return _environment(engine, tag, label)


def _ensure_base(engine: Engine, base: str, report: Callable[[str], None]) -> str:
    """Return the id of the image that the recipe begins with; pulled now if need be."""
    from docker.errors import APIError

    with answering(engine.address):
        if not _is_there(engine, base):
            report(f"pulling {base}")
            try:
                engine.client.images.pull(base)
            except APIError as error:
                words = " ".join(str(error.explanation or error).split())
                raise EnvironmentUnfit(
                    f"the image {base} can't be had: {words[:300]}",
                    where=engine.address,
                    remedy=f"check the network, or name one that is here: {BASE_VARIABLE}=…",
                ) from error
        return str(engine.client.images.get(base).id)


def _is_there(engine: Engine, tag: str) -> bool:
    from docker.errors import ImageNotFound

    with answering(engine.address):
        try:
            engine.client.images.get(tag)
        except ImageNotFound:
            return False
    return True


def _context(variant: Variant, recipe: Path, apps_root: Path) -> bytes:
    """Return what the recipe is carried out with, as an archive: the same files give the same bytes.

    A variant from outside the project lies in it as if it were inside.
    """
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        _add(archive, "Dockerfile", recipe.read_bytes())
        _add(archive, "apps/start.py", (apps_root / "start.py").read_bytes())
        for target, folder in (("apps/domain", apps_root / "domain"), (f"apps/{variant.id}", variant.folder)):
            for path in _files(Path(folder)):
                _add(archive, f"{target}/{path.relative_to(folder)}", path.read_bytes())
        if variant.requirements is None:
            _add(archive, f"apps/{variant.id}/requirements.txt", b"")
    return whole.getvalue()


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o755 if content.startswith(b"#!") else 0o644
    archive.addfile(member, io.BytesIO(content))


def _build(
    engine: Engine, variant: Variant, context: bytes, base: str, tag: str, report: Callable[[str], None]
) -> None:
    arguments = {name: os.environ[name] for name in _GIVEN if name in os.environ}
    arguments |= {"VARIANT": variant.id, BASE_VARIABLE: base}
    if variant.requirements is not None:
        arguments["REQUIREMENTS"] = variant.requirements
    said: list[str] = []
    with answering(engine.address):
        for told in engine.client.api.build(
            fileobj=io.BytesIO(context),
            custom_context=True,
            tag=tag,
            buildargs=arguments,
            labels={IMAGE_LABEL: variant.id},
            network_mode="host",
            rm=True,
            forcerm=True,
            decode=True,
        ):
            line = str(told.get("error") or told.get("stream") or "").strip()
            said += line.splitlines()
            if "error" in told:
                raise _why(variant, said, engine.address)
            if line.startswith("Step "):
                report(f"building the image of {variant.id}: {line.partition(' :')[0].lower()}")


def _why(variant: Variant, said: list[str], address: str) -> WebdynoError:
    """Return the error that tells why a build failed, by its last lines."""
    log = "\n".join("".join(c for c in line[:300] if c.isprintable()) for line in said[-15:])
    low = log.lower()
    what = f"the image of {variant.id} can't be built"
    if "no space left" in low:
        return refused(low, address)
    if "pull access denied" in low or "manifest unknown" in low or "toomanyrequests" in low:
        return EnvironmentUnfit(
            f"{what}: its base can't be pulled", remedy=f"name one that is here: {BASE_VARIABLE}=…", log=log
        )
    if any(sign in low for sign in _UNREACHABLE):
        return EnvironmentUnfit(
            f"{what}: a registry can't be reached",
            remedy="check the network and the proxy; images that were built before need neither",
            log=log,
        )
    return VariantFailed(
        what, where=variant.folder, remedy="correct its requirements, or its Dockerfile", log=log
    )


def _environment(engine: Engine, tag: str, label: str) -> Environment:
    """Ask the image's interpreter about itself; an image without one has no versions to tell."""
    from docker.errors import ContainerError

    with answering(engine.address):
        try:
            answer = engine.client.containers.run(
                tag,
                ["-I", "-c", _PROBE],
                entrypoint="python",
                labels={RUN_LABEL: label},
                network_mode="none",
                remove=True,
            )
        except ContainerError:
            answer = b"{}"
    facts = json.loads(answer)
    return Environment(
        bin=Path("/venv/bin"),
        python=Path("/venv/bin/python"),
        versions={"python": facts["python"], **dict(sorted(facts["packages"].items()))} if facts else {},
        optimised=interpreters.optimised(facts["configured"], facts["prefix"]) if facts else None,
        image=tag,
    )
