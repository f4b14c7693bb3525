"""The Valkey of a run: started, emptied before every trial, and thrown away."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import redis

from harness.ground.clock import Clock, SystemClock
from harness.ground.errors import EnvironmentUnfit
from harness.machine.backends.backend import Backend, Party
from harness.machine.backends.launch import OWNER
from harness.machine.custody.journal import Folder, Journal
from harness.machine.services.listening import ADDRESS, Server, serve
from harness.machine.services.owner import as_uid, give, home_for, is_open
from harness.machine.services.valkey_binaries import Program, choose_program

VARIABLE = "WEBDYNO_VALKEY_URL"
_KEEPER = "keeper"
"""The user by which the harness empties the server; SUTs have another, which may not administrate."""
_PATIENCE_S = 5.0

_SETTINGS = """\
# Reachable from this machine alone, by password alone.
bind 127.0.0.1
port {port}
user default on >{password} ~* &* +@all -@admin
user {keeper} on >{keepers_password} +@all

# Nothing is kept: the data is thrown away after the run, and a disk's speed would only be noise.
save ""
appendonly no
dir {home}

# It never fills the machine; what nobody asked for the longest goes first, as in a cache.
maxmemory 256mb
maxmemory-policy allkeys-lru

tcp-backlog 4096
tcp-keepalive 0
timeout 0
daemonize no
loglevel notice
"""


@dataclass(slots=True)
class ValkeyService:
    """A Valkey server that SUTs can reach."""

    url: str = field(repr=False)
    """For SUTs; it holds a password."""
    party: Party
    version: str
    origin: str
    """`wheel`, `path` or `image`."""
    _keeper: redis.Redis = field(repr=False)
    _undo: Callable[[], None] = field(repr=False)
    name: str = "valkey"

    @property
    def variables(self) -> Mapping[str, str]:
        """Return what a SUT's environment must hold."""
        return {VARIABLE: self.url}

    @property
    def for_clients(self) -> Mapping[str, str]:
        """Return nothing: no user of a SUT sees its cache."""
        return {}

    def reset(self) -> None:
        """Empty the server and begin its counters anew; raises EnvironmentUnfit where it does not answer."""
        try:
            self._keeper.flushall(asynchronous=False)  # done when it answers, not in a measurement window
            self._keeper.config_resetstat()
        except redis.RedisError as error:
            raise EnvironmentUnfit(
                f"Valkey can't be emptied: {type(error).__name__}",
                where=self.name,
                remedy="did somebody end it?",
            ) from error

    def stop(self) -> None:
        """End the server and remove its folder; harmless when repeated."""
        self._keeper.close()
        self._undo()


def start_valkey(
    backend: Backend,
    journal: Journal,
    *,
    cpus: tuple[int, ...],
    log: Path,
    program: Program | None = None,
    image: str | None = None,
    clock: Clock | None = None,
) -> ValkeyService:
    """Start a server of our own on a free port of 127.0.0.1, with a password of its own; or an image's.

    Everything is journalled before it is made. Raises EnvironmentUnfit.
    """
    clock = clock or SystemClock()
    program = None if image is not None else program or choose_program()
    home = home_for(journal.run, "valkey")
    journal.note(Folder(str(home)))
    password, keepers_password = secrets.token_urlsafe(24), secrets.token_urlsafe(24)

    def configured(port: int) -> tuple[str, ...]:
        return (*prefix, _configure(home, port, password, keepers_password))

    try:
        prefix = _make_home(program, home)
        server = Server(
            "valkey",
            "Valkey",
            configured,
            {},
            lambda port: _pings(port, keepers_password),
            image,
            (str(home),),
        )
        party, port = serve(server, backend, run=journal.run, cpus=cpus, log=log, clock=clock)
        (home / "valkey.conf").unlink()  # read by now; it holds the passwords
    except BaseException as error:
        shutil.rmtree(home, ignore_errors=True)
        if isinstance(error, OSError):
            raise EnvironmentUnfit(
                f"Valkey's folder can't be written: {error.strerror}",
                where=str(home),
                remedy="make room there, or set TMPDIR to another folder",
            ) from error
        raise

    def end() -> None:
        party.stop()
        shutil.rmtree(home, ignore_errors=True)

    keeper = _connect(port, keepers_password)
    return ValkeyService(
        url=f"redis://:{password}@{ADDRESS}:{port}/0",
        party=party,
        version=str(keeper.info("server")["valkey_version"]) if program is None else program.version,
        origin="image" if program is None else program.origin,
        _keeper=keeper,
        _undo=end,
    )


def _make_home(program: Program | None, home: Path) -> tuple[str, ...]:
    """Make the server's folder, and return what starts the program, or a copy where its uid needs one."""
    home.mkdir(mode=0o700)
    if program is None:  # the image's
        if os.geteuid() == 0:
            give(home)
        return ("valkey-server",)
    path = program.path
    if os.geteuid() == 0:
        if not is_open(path.parent):
            path = Path(shutil.copy2(program.path, home))
        give(home)
    return (*as_uid(OWNER), str(path))


def _configure(home: Path, port: int, password: str, keepers_password: str) -> str:
    """Write the settings and return their file; arguments are for all to read, a file of ours is not."""
    file = home / "valkey.conf"
    file.touch(mode=0o600)
    file.write_text(
        _SETTINGS.format(
            port=port, home=home, password=password, keeper=_KEEPER, keepers_password=keepers_password
        ),
        encoding="utf-8",
    )
    if os.geteuid() == 0:
        os.chown(file, OWNER, OWNER)
    return str(file)


def _pings(port: int, password: str) -> bool:
    try:
        with _connect(port, password) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _connect(port: int, password: str) -> redis.Redis:
    return redis.Redis(
        host=ADDRESS,
        port=port,
        username=_KEEPER,
        password=password,
        socket_timeout=_PATIENCE_S,
        socket_connect_timeout=_PATIENCE_S,
    )
