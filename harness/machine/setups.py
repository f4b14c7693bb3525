"""What a variant's `setup` makes: run once, in a copy of its folder that is named by its content.

The variant's own folder stays as it is. A setup is foreign code as the variant is: it runs confined and,
where we are root, as another user, who owns the copy for that time alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from harness.ground import process
from harness.ground.clock import Clock
from harness.ground.errors import EnvironmentUnfit, VariantFailed
from harness.ground.model import Variant
from harness.machine.backends.backend import Backend, Confinement
from harness.machine.backends.launch import NOBODY
from harness.machine.environments import Environment, cache_folder, lock, sut_environment
from harness.machine.installer import UNREACHABLE, open_to_all
from harness.records.manifest import MANIFEST
from harness.records.scaffold import own_files

_SEAL = "webdyno-setup.json"
_TIMEOUT_S = 900.0
_POLL_S = 0.05
_MOST_WRITTEN = 1 << 30
"""Bytes of a file: a compiler's are larger than a SUT's."""
_GIVEN = (
    *(name for one in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY") for name in (one, one.lower())),
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "NPM_CONFIG_REGISTRY",
)
"""What a setup inherits from us, where it is set: the way to a registry."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a setup is run with."""

    backend: Backend
    clock: Clock
    folder: Path
    """For its log."""


def ensure(
    variant: Variant, environment: Environment, means: Means, report: Callable[[str], None] = lambda _: None
) -> Environment:
    """Return the environment with the folder that the variant's setup has made; made now if need be.

    Raises VariantFailed for a setup that fails or does not end, EnvironmentUnfit for a program, a registry or
    room on disk that is missing.
    """
    if not variant.setup:
        return environment
    home = cache_folder() / "setups" / key(variant, environment)
    try:
        with lock(home):
            if not (home / _SEAL).exists():
                report(f"setting {variant.id} up: {variant.setup[0]}")
                _make(home, variant, environment, means)
            versions = json.loads((home / _SEAL).read_text(encoding="utf-8"))
    except OSError as error:
        raise EnvironmentUnfit(
            f"what the setup of {variant.id} makes can't be written: {error.strerror}",
            where=str(home),
            remedy="make room there, or set WEBDYNO_CACHE to another folder",
        ) from error
    return replace(
        environment, code=home / Path(variant.folder).name, versions=versions or environment.versions
    )


def key(variant: Variant, environment: Environment) -> str:
    """Return the name of what a setup makes of these files with the programs that are here now."""
    path = _variables(variant, environment, "")["PATH"]
    found = (shutil.which(command[0], path=path) for command in (variant.setup, variant.start))
    programs = [(str(Path(one).resolve()), Path(one).stat().st_mtime_ns) for one in found if one]
    digest = hashlib.sha256(json.dumps([variant.setup, programs]).encode())
    for name in own_files(Path(variant.folder)):
        file = Path(variant.folder, name)
        content = file.read_bytes()
        digest.update(json.dumps([str(name), file.stat().st_mode & 0o100, len(content)]).encode() + content)
    return digest.hexdigest()[:24]


def _make(home: Path, variant: Variant, environment: Environment, means: Means) -> None:
    shutil.rmtree(home, ignore_errors=True)
    code, scratch = home / Path(variant.folder).name, home / "scratch"
    for name in own_files(Path(variant.folder)):
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(variant.folder, name), code / name)
    scratch.mkdir()
    home.chmod(0o755)
    _give((code, scratch), to=NOBODY, of=os.geteuid())
    log = means.folder / f"setup-{code.name}.log"
    try:
        _run(variant, _variables(variant, environment, str(scratch)), code, log, means)
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    _give((code,), to=os.geteuid(), of=NOBODY)
    shutil.rmtree(scratch)
    open_to_all(home)
    aside = home / f"{_SEAL}.aside"
    aside.write_text(json.dumps(dict(_versions(code))), encoding="utf-8")
    aside.replace(home / _SEAL)


def _variables(variant: Variant, environment: Environment, scratch: str) -> dict[str, str]:
    given = {name: os.environ[name] for name in _GIVEN if name in os.environ}
    all_of_them = sut_environment(environment, variant, given, apps_root=Path(variant.folder))
    return {**all_of_them, "HOME": scratch, "TMPDIR": scratch}


def _run(variant: Variant, variables: dict[str, str], code: Path, log: Path, means: Means) -> None:
    where = f"{variant.folder}/{MANIFEST}: setup"
    command = process.Command(variant.setup, str(code), variables, str(log))
    confinement = Confinement("setup", command, (), None, unprivileged=True, file_bytes=_MOST_WRITTEN)
    try:
        party = means.backend.start(confinement)
    except EnvironmentUnfit as error:
        raise EnvironmentUnfit(error.what, where=where, remedy=f"install {variant.setup[0]} here") from error
    try:
        limit_ns = means.clock.now_ns() + int(_TIMEOUT_S * 1e9)
        while (status := party.look().exit) is None and means.clock.now_ns() < limit_ns:
            means.clock.sleep(_POLL_S)
    finally:
        party.stop(grace_s=0.5)  # with whatever it left behind
    if status == 0:
        return
    said = process.last_lines(log)
    if any(sign in said.lower() for sign in (*UNREACHABLE, "enotfound", "econnrefused", "eai_again")):
        raise EnvironmentUnfit(
            f"{variant.id} can't be set up: the package registry can't be reached",
            where=where,
            remedy="check the network and the proxy; what was set up before needs neither",
            log=said,
        )
    how = f"did not end within {_TIMEOUT_S:g} s" if status is None else f"ended with status {status}"
    raise VariantFailed(f"{variant.setup[0]} {how}", where=where, remedy="correct it, or its files", log=said)


def _give(folders: tuple[Path, ...], *, to: int, of: int) -> None:
    """As root, hand what a user has in some folders to another one; what is anybody else's stays so."""
    if os.geteuid() != 0:
        return
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            if path.lstat().st_uid == of:
                os.chown(path, to, to, follow_symlinks=False)


def _versions(code: Path) -> Iterator[tuple[str, str]]:
    """Yield the packages that npm installed, with their versions; nothing in another language."""
    modules = code / "node_modules"
    found = sorted((*modules.glob("*/package.json"), *modules.glob("@*/*/package.json")))
    for path in (one for one in found if one.is_file() and not one.is_symlink()):
        try:
            package = json.loads(path.read_text(encoding="utf-8"))
            yield str(package["name"]), str(package["version"])
        except (OSError, ValueError, KeyError, TypeError):  # no package of npm's
            continue
