"""One image a variant, built from `apps/Dockerfile`, and the environment that it holds."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.ground.errors import EnvironmentUnfit, UsageError, VariantFailed
from harness.ground.model import Variant
from harness.machine import interpreters
from harness.machine.building import (
    BASE_VARIABLE,
    DEFAULT_PYTHON,
    File,
    Recipe,
    Report,
    base_image,
    ensure_built,
    ensure_pulled,
    files_of,
)
from harness.machine.engine import RUN_LABEL, Engine, answering
from harness.machine.environments import Environment, cache_folder, packages, root_of
from harness.machine.requirements import is_source, wanted

APPS = Path("/apps")
"""Where an image holds what the project's `apps` holds: its packages, and the variant's own folder."""
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


def ensure_bases(engine: Engine, variants: Iterable[Variant], report: Report) -> None:
    """Have the images that variants' images begin with; raises EnvironmentUnfit where one can't be had."""
    variants = tuple(variants)
    for variant in variants:
        _insist_on_registries(variant)
    for name in sorted({base_image(one.python) for one in variants if not _own_recipe(one).is_file()}):
        ensure_pulled(engine, name, report)


def ensure(
    engine: Engine, variant: Variant, *, apps_root: Path, label: str, report: Report = lambda _: None
) -> Environment:
    """Return the environment that the variant's image holds; built now, and `report` told so, if need be.

    `label` is the run's. Raises VariantFailed for a recipe or requirements that can't be carried out,
    EnvironmentUnfit for an image or a registry that can't be had, or a full disk.
    """
    _insist_on_registries(variant)
    arguments, base_id = {"VARIANT": Path(variant.folder).name}, ""
    if variant.requirements is not None:
        arguments["REQUIREMENTS"] = variant.requirements
    if not _own_recipe(variant).is_file():
        if variant.setup:
            arguments["SETUP"] = shlex.join(variant.setup)
        arguments[BASE_VARIABLE] = base_image(variant.python)
        base_id = ensure_pulled(engine, arguments[BASE_VARIABLE], report)
    files = tuple(_files(variant, apps_root))
    recipe = Recipe(arguments["VARIANT"], files, arguments, variant.folder, VariantFailed, base_id)
    made = _environment(engine, ensure_built(engine, recipe, report), label)
    _insist_on_wishes(variant, made)
    return made


def _insist_on_registries(variant: Variant) -> None:
    if any(map(is_source, variant.pins)):
        raise EnvironmentUnfit(
            "an image has no git to install from a repository with",
            where=variant.id,
            remedy="--backend cgroup",
        )


def _insist_on_wishes(variant: Variant, made: Environment) -> None:
    """Raise VariantFailed where the base image, or the variant's own recipe, has other versions."""
    due = dict(pin.split("==") for pin in variant.pins)
    due |= {"python": variant.python} if variant.python else {}
    for name, version in due.items():
        there = made.versions.get(name, "none")
        # `==3.1` has 3.1.0 installed, and a Python has a third number.
        same = f"{there}.".startswith(f"{version}.") if name == "python" else _bare(there) == _bare(version)
        if not same:
            raise VariantFailed(
                f"its image has {name} {there}, not {version}",
                where=variant.id,
                remedy=f"unset {BASE_VARIABLE}, or let its own Dockerfile install what is asked for",
            )


def _bare(version: str) -> str:
    return re.sub(r"(\.0)+$", "", version)


def _own_recipe(variant: Variant) -> Path:
    return Path(variant.folder, "Dockerfile")


def _files(variant: Variant, apps_root: Path) -> Iterator[File]:
    """Yield what the recipe copies; a variant from outside the project lies there as if it were inside."""
    own = _own_recipe(variant)
    try:
        yield File.of(own if own.is_file() else apps_root / "Dockerfile", "Dockerfile")
        yield File.of(apps_root / "start.py", "apps/start.py")
        for package in packages(root_of(variant, apps_root)):
            yield from files_of(package, f"apps/{package.name}")
        yield from _own_files(variant)
    except OSError as error:
        raise UsageError(f"can't be read: {error.strerror}", where=str(error.filename)) from error
    if variant.requirements is None:
        yield File(f"apps/{Path(variant.folder).name}/requirements.txt", b"")


def _own_files(variant: Variant) -> Iterator[File]:
    """Yield the variant's folder, the wished versions in its requirements."""
    folder = Path(variant.folder)
    for file in files_of(folder, f"apps/{folder.name}"):
        if variant.pins and file.path == f"apps/{folder.name}/{variant.requirements}":
            version = ("--python-version", variant.python or DEFAULT_PYTHON)
            yield File(file.path, wanted(variant, cache_folder(), *version).encode())
        else:
            yield file


def _environment(engine: Engine, tag: str, label: str) -> Environment:
    """Ask the image's interpreter about itself; an image without one has no versions to tell."""
    from docker.errors import APIError, ContainerError

    with answering(engine.address):
        try:
            answer = engine.client.containers.run(
                tag,
                ["-I", "-c", _PROBE],
                entrypoint="python",
                labels={RUN_LABEL: label},
                network_mode="none",
                read_only=True,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges:true"],
                remove=True,
            )
        except ContainerError:
            answer = b"{}"
        except APIError as error:  # `python` is no program there
            if not error.is_client_error():
                raise
            answer = b"{}"
    facts = json.loads(answer)
    return Environment(
        bin=Path("/venv/bin"),
        python=Path("/venv/bin/python"),
        versions={"python": facts["python"], **dict(sorted(facts["packages"].items()))} if facts else {},
        optimised=interpreters.optimised(facts["configured"], facts["prefix"]) if facts else None,
        image=tag,
    )
