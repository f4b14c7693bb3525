"""Python interpreters on this machine: which there are, and how they were built."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.ground import process
from harness.ground.errors import EnvironmentUnfit

_PROBE = """\
import json, os, platform, sys, sysconfig
print(json.dumps({
    "executable": os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable),
    "implementation": platform.python_implementation(),
    "version": platform.python_version(),
    "platform": sysconfig.get_platform(),
    "configured": sysconfig.get_config_var("CONFIG_ARGS") or "",
    "prefix": sys.base_prefix,
}))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """One Python interpreter, outside of any environment."""

    executable: str
    """The absolute path, symbolic links resolved."""
    implementation: str
    """`CPython`, `PyPy`, ..."""
    version: str
    """All three numbers, such as `3.11.7`."""
    platform: str
    """Such as `linux-x86_64`."""
    optimised: bool | None
    """Whether it was built with `--enable-optimizations`; None where that can't be told."""


def find(version: str | None) -> Interpreter:
    """Return the newest interpreter of a version such as `3.13`; the harness's own where None.

    It is looked for among the harness's own, PATH, and pyenv's versions. Raises EnvironmentUnfit.
    """
    own = describe(getattr(sys, "_base_executable", "") or sys.executable)
    if own is None:
        raise EnvironmentUnfit(
            "Python can't start itself",
            where=sys.executable,
            remedy="remove .venv and run make again with a Python that works",
        )
    if version is None or _is_of(own, version):
        return own
    for candidate in _candidates(version):
        found = describe(candidate)
        if found is not None and _is_of(found, version):
            return found
    raise EnvironmentUnfit(
        f"there is no Python {version} here",
        remedy=f"here are {', '.join(_minor_versions())}; install it (python{version} on PATH, or "
        f"pyenv install {version}), or choose variants that don't ask for it",
    )


@functools.cache
def describe(executable: str) -> Interpreter | None:
    """Ask an interpreter about itself; None where it does not run (a pyenv shim may not)."""
    try:
        answer = process.run((executable, "-I", "-c", _PROBE), timeout_s=30)
        facts = json.loads(answer.output)
    except (EnvironmentUnfit, ValueError):
        return None
    return Interpreter(
        executable=facts["executable"],
        implementation=facts["implementation"],
        version=facts["version"],
        platform=facts["platform"],
        optimised=optimised(facts["configured"], facts["prefix"]),
    )


def optimised(configured: str, prefix: str) -> bool | None:
    """Judge a build by its CONFIG_ARGS.

    None where the flag is missing from a distribution's Python under `/usr`: Debian runs the
    profile-guided build by rules of its own, which leave no trace in CONFIG_ARGS.
    """
    if "--enable-optimizations" in configured:
        return True
    return None if prefix == "/usr" or not configured else False


def _is_of(interpreter: Interpreter, version: str) -> bool:
    return interpreter.version == version or interpreter.version.startswith(f"{version}.")


def _minor_versions() -> Iterator[str]:
    """Yield the versions that `find` finds, from the oldest one that is still maintained anywhere."""
    own = ".".join(map(str, sys.version_info[:2]))
    for version in (f"3.{minor}" for minor in range(8, 30)):
        if version == own or any(_candidates(version)):
            yield version


def _candidates(version: str) -> Iterator[str]:
    on_path = shutil.which(f"python{version}")
    if on_path is not None:
        yield on_path
    root = Path(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"))  # noqa: PTH111 - bears no home
    installed = root.glob(f"versions/{version}.*/bin/python{version}")
    for path in sorted(installed, key=_numbers, reverse=True):
        yield str(path)


def _numbers(path: Path) -> list[int]:
    """Order pyenv's folders by number, so that 3.12.10 comes after 3.12.9."""
    return [int(number) for number in re.findall(r"\d+", path.parent.parent.name)]
