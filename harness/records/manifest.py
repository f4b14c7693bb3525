"""Variants and scenarios as they lie on disk: found, read and checked, but never imported.

A variant is a folder with a `variant.toml`; a scenario is a Locust file whose head names, in literals, the
services that it needs and the operations that it drives.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import pydantic

from harness.ground import placeholders
from harness.ground.errors import UsageError
from harness.ground.model import Caps, Scenario, Setting, Variant
from harness.ground.names import choose, suggestion
from harness.records.heads import load_scenario

__all__ = ["choose", "find_scenarios", "find_variants", "load_variant", "start_command"]

MANIFEST = "variant.toml"
PLACEHOLDERS = ("host", "port", "cpus", "app_dir", "tls_cert", "tls_key")
"""What `start` may hold besides the names of the variant's own settings."""

OF = "~"
"""Between the id of a variant and the checkout that it is from; no folder's name has it, nor has a wish."""
_VARIANT_ID = re.compile(r"(?!scenarios$)[a-z0-9][a-z0-9-]*")
"""Beside variants a folder of theirs may have one of scenarios."""
_SETTING = re.compile(r"[a-z][a-z0-9_]*")

_Word = Annotated[str, pydantic.Field(min_length=1, max_length=80)]
_Arguments = Annotated[list[Annotated[str, pydantic.Field(min_length=1)]], pydantic.Field(min_length=1)]


class ManifestKeys(pydantic.BaseModel):
    """The keys of a `variant.toml`."""

    model_config = pydantic.ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )

    framework: _Word
    """As the row shall call it; `none` marks a null SUT."""
    language: _Word = "Python"
    """In which it is written."""
    server: _Word
    """As the row shall call it."""
    interface: _Word
    """Between server and framework, such as `ASGI` or `WSGI`."""
    concurrency: _Word
    """How a worker serves several requests at once, such as `async` or `threads`."""
    tuning: Literal["default", "tuned"] = "default"
    """`tuned` where it goes beyond the framework's own advice."""
    start: _Arguments
    """The argument list that starts it, with placeholders such as `{host}` and `{port}`; no shell line."""
    settings: dict[str, str | int] = {}
    """Defaults, whose names are placeholders in `start`; a value may hold `{cpus}`."""
    requirements: _Word | None = None
    """A requirements file in the folder: every package that is installed, as `name==version`."""
    python: Annotated[str, pydantic.Field(pattern=r"^\d+\.\d+$")] | None = None
    """A version such as `3.13`, which must be installed; the harness's own where absent."""
    setup: list[str] = []
    """An argument list that prepares a variant in another language, such as `["npm", "ci"]`."""
    implements: list[_Word] = []
    """The scenarios that it can serve; all within the project's contract where absent."""
    tls: list[str] = []
    """What `start` gets as further arguments for TLS, with `{tls_cert}` and `{tls_key}`."""


def load_variant(folder: Path) -> Variant:
    """Read a variant's folder.

    Raises UsageError, which names the file and the key, for a manifest that is missing, is not TOML, has an
    unknown key, a wrong type, an unknown placeholder, or names a file that is not there.
    """
    folder = folder.resolve()
    path = folder / MANIFEST
    check_variant_name(folder.name, str(folder))
    manifest = _parse(path)
    _check_settings(manifest.settings, path)
    _check_start(manifest, path)
    _check_requirements(manifest.requirements, path)
    return Variant(
        id=folder.name,
        folder=str(folder),
        framework=manifest.framework,
        language=manifest.language,
        server=manifest.server,
        interface=manifest.interface,
        concurrency=manifest.concurrency,
        tuning=manifest.tuning,
        start=tuple(manifest.start),
        settings=dict(manifest.settings),
        requirements=manifest.requirements,
        python=manifest.python,
        setup=tuple(manifest.setup),
        implements=tuple(manifest.implements),
        tls=tuple(manifest.tls),
    )


def check_variant_name(name: str, where: str) -> None:
    """Raise UsageError where a folder of this name could be no variant."""
    if not _VARIANT_ID.fullmatch(name):
        raise UsageError(
            f"{name!r} can't be a variant's name",
            where=where,
            remedy="name the folder with lower-case letters, digits and hyphens, such as flask-gunicorn, "
            "and not scenarios",
        )


def find_variants(apps_folders: Iterable[Path]) -> dict[str, Variant]:
    """Return the variants of all folders that hold a `variant.toml`, by id, in the order of their ids.

    Where an earlier folder has a variant of the same id, the name of the checkout is put behind it:
    `fastapi-uvicorn~other`. Raises UsageError where a folder is missing, two variants have one id all the
    same, or a manifest is wrong.
    """
    found: dict[str, Variant] = {}
    for apps in dict.fromkeys(folder.resolve() for folder in apps_folders):
        _check_folder(apps, "apps folder")
        taken = set(found)
        for own in variant_folders((apps,)):
            variant = load_variant(own)
            if variant.id in taken:
                variant = replace(variant, id=f"{variant.id}{OF}{_checkout_of(apps)}")
            twin = found.get(variant.id)
            if twin is not None:
                raise UsageError(
                    f"the variant {variant.id} is already in {twin.folder}",
                    where=variant.folder,
                    remedy="rename one of the two folders, or the checkout that it is in",
                )
            found[variant.id] = variant
    return dict(sorted(found.items()))


def variant_folders(apps_folders: Iterable[Path]) -> list[Path]:
    """Return the folders of variants that folders hold, unread, each folder's in the order of their names."""
    return [path.parent for apps in apps_folders for path in sorted(apps.glob(f"*/{MANIFEST}"))]


def _checkout_of(apps: Path) -> str:
    """Return the name of the checkout that a folder of variants is of, in an id's letters."""
    name = apps.parent.name if apps.name == "apps" else apps.name
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "other"


def check_implements(variants: Iterable[Variant], scenarios: Collection[str]) -> None:
    """Raise UsageError where a variant implements what is nearly a scenario: it would be left out.

    What is no scenario at all here may be one elsewhere, since variants come from other checkouts, too.
    """
    for variant in variants:
        for name in variant.implements:
            nearest = () if name in scenarios else difflib.get_close_matches(name, scenarios, n=1)
            if nearest and nearest[0] not in variant.implements:
                raise UsageError(
                    f"there is no scenario {name!r}",
                    where=f"{variant.folder}/{MANIFEST}: implements",
                    remedy=f"did you mean {nearest[0]}?",
                )


def find_scenarios(*folders: Path) -> dict[str, Scenario]:
    """Return the scenarios of folders' Python files, by id; names that begin with `_` are left out.

    Raises UsageError, with file and line, where a head is no literal or a file shadows a standard module,
    and where two scenarios have one id.
    """
    found: dict[str, Scenario] = {}
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        _check_folder(folder, "scenarios folder")
        for path in scenario_files((folder,)):
            if path.stem in found:
                raise UsageError(
                    f"the scenario {path.stem} is already in {found[path.stem].path}",
                    where=str(path),
                    remedy="rename one of the two files",
                )
            found[path.stem] = load_scenario(path)
    return found


def scenario_files(folders: Iterable[Path]) -> list[Path]:
    """Return the files of scenarios in folders, unread, each folder's in the order of their names."""
    files = (path for folder in folders for path in sorted(folder.glob("*.py")))
    return [path for path in files if not path.name.startswith("_")]


def start_command(
    variant: Variant,
    *,
    host: str,
    port: int,
    caps: Caps,
    settings: Mapping[str, Setting],
    tls_cert: str = "",
    tls_key: str = "",
) -> tuple[str, ...]:
    """Return the variant's argument list with every placeholder filled.

    `settings` are those that differ from the variant's defaults; `{cpus}` is the cap in whole CPUs, at
    least 1. With a certificate the variant's arguments for TLS follow. Raises UsageError for a setting that
    the variant does not have, and for a certificate that it can't use.
    """
    choose(settings, variant.settings, f"setting of {variant.id} named")
    if tls_cert and not variant.tls:
        raise UsageError(
            "can't speak TLS",
            where=f"{variant.folder}/{MANIFEST}",
            remedy='add the arguments that make it: tls = ["--certfile", "{tls_cert}", …]',
        )
    cpus = str(max(1, math.ceil(caps.cpus)))
    own = {
        name: placeholders.fill(str(value), {"cpus": cpus})
        for name, value in {**variant.settings, **settings}.items()
    }
    given = {
        "host": host,
        "port": str(port),
        "cpus": cpus,
        "app_dir": variant.folder,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
    }
    arguments = (*variant.start, *variant.tls) if tls_cert else variant.start
    return tuple(placeholders.fill(argument, {**own, **given}) for argument in arguments)


def _parse(path: Path) -> ManifestKeys:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"can't be read: {error.strerror}",
            where=str(path),
            remedy="a variant is a folder with a variant.toml; copy one of apps/",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"is not TOML: {error}", where=str(path), remedy="correct that line") from error
    try:
        return ManifestKeys.model_validate(document)
    except pydantic.ValidationError as error:
        raise _complaint(path, error) from error


def _complaint(path: Path, error: pydantic.ValidationError) -> UsageError:
    """Return the first mistake; unknown keys come first, since a misspelt key is missing as well."""
    mistakes = sorted(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
    first = mistakes[0]
    key = ".".join(str(part) for part in first["loc"][:2] if part not in ("str", "int"))
    if first["type"] == "extra_forbidden":
        return UsageError(
            "is not a key", where=f"{path}: {key}", remedy=suggestion(key, ManifestKeys.model_fields)
        )
    if first["type"] == "missing":
        return UsageError("is missing", where=f"{path}: {key}", remedy=f"add a line: {key} = …")
    message = first["msg"].removeprefix("Input ").lower()
    return UsageError(
        f"{message}, not {str(first['input'])[:80]!r}",
        where=f"{path}: {key}",
        remedy="correct the value; other variants in apps/ show its form",
    )


def _check_settings(settings: Mapping[str, Setting], path: Path) -> None:
    for name, value in settings.items():
        where = f"{path}: settings.{name}"
        if not _SETTING.fullmatch(name) or name in PLACEHOLDERS:
            raise UsageError(
                "can't be a setting's name",
                where=where,
                remedy=f"use lower-case letters, digits and _, and none of {', '.join(PLACEHOLDERS)}",
            )
        placeholders.check(str(value), ("cpus",), where)


def _check_start(manifest: ManifestKeys, path: Path) -> None:
    for key, arguments in (("start", manifest.start), ("tls", manifest.tls)):
        for argument in arguments:
            placeholders.check(argument, (*PLACEHOLDERS, *manifest.settings), f"{path}: {key}")
    if not any("port" in placeholders.names(argument) for argument in manifest.start):
        raise UsageError(
            "has no {port}", where=f"{path}: start", remedy="let the server listen on {host} and {port}"
        )


def _check_requirements(requirements: str | None, path: Path) -> None:
    if requirements is None:
        return
    file = (path.parent / requirements).resolve()
    if not file.is_relative_to(path.parent) or not file.is_file():
        raise UsageError(
            f"{requirements!r} is not a file of the variant's folder",
            where=f"{path}: requirements",
            remedy=f"write it as {path.parent}/requirements.txt and name it here",
        )


def _check_folder(folder: Path, kind: str) -> None:
    if not folder.is_dir():
        raise UsageError(f"there is no such {kind}", where=str(folder), remedy="check the path")
