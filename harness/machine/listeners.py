"""Who listens on a port: whether the answer that came is the answer of the process that was asked."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

_LISTENING = "0A"


def listens(port: int, pids: Collection[int], proc: Path = Path("/proc")) -> bool | None:
    """Return whether one of the processes holds a socket that listens on a port.

    None where that can't be told: no /proc, no process or listener seen, descriptors that we may not read.
    """
    if not pids:
        return None
    try:
        sockets = {socket for socket, on in _listening(proc / str(min(pids))) if on == port}
        held = {link for pid in pids for link in _descriptors(proc / str(pid) / "fd")}
    except OSError:
        return None
    return bool(sockets & held) if sockets else None


def ports_of(pids: Collection[int], proc: Path = Path("/proc")) -> frozenset[int]:
    """Return the ports that some processes listen on, as far as that can be seen."""
    if not pids:
        return frozenset()
    try:
        held = {link for pid in pids for link in _descriptors(proc / str(pid) / "fd")}
        return frozenset(port for socket, port in _listening(proc / str(min(pids))) if socket in held)
    except OSError:
        return frozenset()


def _listening(process: Path) -> Iterator[tuple[str, int]]:
    """Yield the sockets that listen in a process's network, as descriptors name them, with their ports."""
    for table in ("net/tcp", "net/tcp6"):
        path = process / table
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = line.split()
            if fields[3] == _LISTENING:
                yield f"socket:[{fields[9]}]", int(fields[1].rpartition(":")[2], 16)


def _descriptors(folder: Path) -> Iterable[str]:
    for entry in os.scandir(folder):
        try:
            yield str(Path(entry.path).readlink())
        except FileNotFoundError:  # closed meanwhile
            continue
