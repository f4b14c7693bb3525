"""One environment a variant, made by `uv`, named by its content and kept between runs.

An environment's scripts and bytecode name the folder that they were made in, so it is made in its final
place under a lock, and its seal is written aside and renamed into it last: a folder without a seal is a
half-made one and is made again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.ground import process
from harness.ground.errors import EnvironmentUnfit
from harness.ground.model import Variant
from harness.machine import interpreters
from harness.machine.installer import InstallFailed, explain, open_to_all, run_uv
from harness.machine.interpreters import Interpreter
from harness.machine.requirements import wanted

_SEAL = "webdyno-environment.json"


@dataclass(frozen=True, slots=True)
class Environment:
    """A finished environment."""

    bin: Path
    """The folder of its programs."""
    python: Path
    versions: Mapping[str, str]
    """The interpreter's version under `python`, and every package's under its normalised name."""
    optimised: bool | None
    """Whether the interpreter was built with optimisation; None where that can't be told."""
    image: str | None = None
    """The container image that holds it, with the variant's code; None for a folder of this machine."""
    code: Path | None = None
    """Where that code lies on this machine, where it is not the variant's own folder."""


def ensure(variant: Variant, report: Callable[[str], None] = lambda _: None) -> Environment:
    """Return the variant's environment; made now, and `report` told so, where it is not there yet.

    Raises UsageError for a requirements file that refers to others, VariantFailed for requirements that
    can't be met, and EnvironmentUnfit for a missing interpreter, network, or room on disk.
    """
    interpreter = interpreters.find(variant.python)
    try:
        requirements = wanted(variant, cache_folder(), "--python", interpreter.executable)
        home = cache_folder() / "environments" / key(requirements, interpreter)
        sealed = _read(home)
        if sealed is not None:
            return sealed
        with lock(home):
            sealed = _read(home)
            if sealed is not None:
                return sealed
            report(f"making the environment of {variant.id} on Python {interpreter.version}")
            _make(home, variant, requirements, interpreter)
    except OSError as error:
        raise EnvironmentUnfit(
            f"the environment of {variant.id} can't be written: {error.strerror}",
            where=str(error.filename or cache_folder()),
            remedy="make room there, or set WEBDYNO_CACHE to another folder",
        ) from error
    made = _read(home)
    assert made is not None, "the seal was written a moment ago"
    return made


def sut_environment(
    environment: Environment, variant: Variant, services: Mapping[str, str], *, apps_root: Path
) -> dict[str, str]:
    """Return all the variables that a SUT gets; nothing of ours is inherited.

    `services` are the services' documented variables; `apps_root` is the folder that holds `domain` and the
    other packages that it shares with others. Write bytecode first (`compile_bytecode`): the SUT's uid can't.
    """
    return {
        **services,
        "PATH": f"{environment.bin}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": f"{variant.folder}:{apps_root}",
        "PYTHONUNBUFFERED": "1",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": "/nonexistent",
    }


def compile_bytecode(environment: Environment, variant: Variant, *, apps_root: Path) -> None:
    """Compile the variant's own code and what it shares with others, so that no start-up does.

    `apps_root` is the project's. A read-only tree or a file with a mistake is no error here: the SUT runs, or
    says so itself.
    """
    folders = (variant.folder, *map(str, packages(root_of(variant, apps_root))))
    process.run(
        (str(environment.python), "-I", "-m", "compileall", "-q", *folders),
        timeout_s=120,
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
    )


def root_of(variant: Variant, apps_root: Path) -> Path:
    """Return where the packages are that a variant imports: beside it if a `domain` is there, else ours."""
    own = Path(variant.folder).parent
    return own if (own / "domain" / "__init__.py").is_file() else apps_root


def packages(apps_root: Path) -> list[Path]:
    """Return the packages that variants may import, by folder: `domain`, and a framework's application."""
    return sorted(path.parent for path in apps_root.glob("*/__init__.py"))


def cache_folder() -> Path:
    """Return where environments are kept: `WEBDYNO_CACHE`, else a place that other uids can read.

    Raises EnvironmentUnfit for a user without a home folder who names none.
    """
    given = os.environ.get("WEBDYNO_CACHE")
    if given:
        return Path(given).expanduser().absolute()
    if os.geteuid() == 0:
        return Path("/var/cache/webdyno")
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "webdyno"
    except RuntimeError as error:
        raise EnvironmentUnfit("this user has no home folder", remedy="set WEBDYNO_CACHE") from error


def key(requirements: str, interpreter: Interpreter) -> str:
    """Return the name of the environment that these requirements make on this interpreter."""
    content = json.dumps([requirements, asdict(interpreter)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:24]


def _make(home: Path, variant: Variant, requirements: str, interpreter: Interpreter) -> None:
    shutil.rmtree(home, ignore_errors=True)
    python = home / "bin" / "python"
    cache = cache_folder()
    try:
        run_uv("venv", "--no-project", "--python", interpreter.executable, str(home), cache=cache)
        if requirements.strip():
            file = home / "requirements.txt"
            file.write_text(requirements, encoding="utf-8")
            run_uv(
                "pip",
                "install",
                "--python",
                str(python),
                "--compile-bytecode",
                "--no-deps",  # what the file lacks is told by the check, not chosen in silence
                "--requirements",
                str(file),
                cache=cache,
            )
            run_uv("pip", "check", "--python", str(python), cache=cache)
    except InstallFailed as failure:
        shutil.rmtree(home, ignore_errors=True)
        raise explain(failure.output, variant, cache) from failure
    open_to_all(home)
    _seal(home, interpreter)


def _seal(home: Path, interpreter: Interpreter) -> None:
    packages = importlib.metadata.distributions(
        path=[str(path) for path in home.glob("lib*/*/site-packages")]
    )
    versions = {package.metadata["Name"].lower().replace("_", "-"): _version(package) for package in packages}
    seal = {
        "versions": {"python": interpreter.version, **dict(sorted(versions.items()))},
        "optimised": interpreter.optimised,
    }
    aside = home / f"{_SEAL}.aside"
    aside.write_text(json.dumps(seal, indent=1), encoding="utf-8")
    aside.chmod(0o644)
    aside.replace(home / _SEAL)


def _version(package: importlib.metadata.Distribution) -> str:
    """Return a package's version, with the commit of one that is from a git repository."""
    origin = json.loads(package.read_text("direct_url.json") or "{}")
    commit = origin.get("vcs_info", {}).get("commit_id")
    return f"{package.version} ({commit[:12]})" if commit else package.version


def _read(home: Path) -> Environment | None:
    """Return the environment of a folder; None where there is none, or a half-made one."""
    try:
        seal = json.loads((home / _SEAL).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not (home / "bin" / "python").exists():
        return None
    return Environment(
        bin=home / "bin",
        python=home / "bin" / "python",
        versions=seal["versions"],
        optimised=seal["optimised"],
    )


@contextlib.contextmanager
def lock(home: Path) -> Iterator[None]:
    """Hold the lock of a folder in the cache, which the kernel frees when its holder dies."""
    _make_readable(home.parent)
    with open(home.with_suffix(".lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_readable(folder: Path) -> None:
    """Make a folder and its missing parents with mode 0755, whatever our umask."""
    if folder.is_dir():
        return
    _make_readable(folder.parent)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
