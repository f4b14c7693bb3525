"""The way to `uv`, which makes environments and installs packages into them."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import uv

from harness.ground import process
from harness.ground.errors import EnvironmentUnfit, VariantFailed, WebdynoError
from harness.ground.model import Variant

UNREACHABLE = ("error sending request", "failed to fetch", "dns error", "connection refused", "network is")
_TIMEOUT_S = 900.0


class InstallFailed(Exception):
    """uv ended with an error; `output` is what it said."""

    def __init__(self, output: str) -> None:
        super().__init__(output)
        self.output = output


def run_uv(*arguments: str, cache: Path) -> None:
    """Run uv with its own cache below `cache`; raises InstallFailed, or EnvironmentUnfit for a time-out."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "PYTHONPATH")
    }
    # Hard links, uv's way to install in no time, need its cache on the environments' own file system.
    environment.setdefault("UV_CACHE_DIR", str(cache / "uv"))
    environment["UV_PYTHON_DOWNLOADS"] = "never"
    environment["NO_COLOR"] = "1"
    argv = (*dying_with_us(), uv.find_uv_bin(), *arguments)
    done = process.run(argv, timeout_s=_TIMEOUT_S, cwd="/", env=environment)
    if done.exit != 0:
        raise InstallFailed(done.complaint)


def dying_with_us() -> tuple[str, ...]:
    """Return the prefix that ends a program when we are killed, lest it write into what is remade."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL") if setpriv else ()


def explain(output: str, variant: Variant, cache: Path) -> WebdynoError:
    """Return the error that tells the user why uv failed, with its last lines."""
    log = "\n".join(line[:300] for line in output.splitlines()[-15:])
    low = output.lower()
    what = f"the environment of {variant.id} can't be made"
    if "no space left" in low:
        return EnvironmentUnfit(
            f"{what}: no space left on the device",
            where=str(cache),
            remedy="make room there, or set WEBDYNO_CACHE to another folder",
            log=log,
        )
    if any(sign in low for sign in UNREACHABLE):
        return EnvironmentUnfit(
            f"{what}: the package registry can't be reached",
            remedy="check the network and the proxy; environments that were made before need neither",
            log=log,
        )
    where = str(Path(variant.folder, variant.requirements or ""))
    remedy = (
        "wish for versions that there are and that go together"
        if variant.pins
        else "correct the requirements"
    )
    return VariantFailed(what, where=where, remedy=remedy, log=log)


def open_to_all(home: Path) -> None:
    """Let every uid read the environment, whatever our umask: the SUT runs as another one than we do."""
    for folder, folders, files in os.walk(home):
        for name in (".", *folders, *files):
            path = os.path.join(folder, name)  # noqa: PTH118  (ten thousand files: strings are quicker)
            mode = os.lstat(path).st_mode
            wanted = mode | 0o444 | (0o111 if mode & 0o100 else 0)
            if not stat.S_ISLNK(mode) and wanted != mode:
                os.chmod(path, stat.S_IMODE(wanted))  # noqa: PTH101 - likewise
