"""Who listens on a port: whether the answer that came is the answer of the process that was asked."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path

_LISTENING = "0A"


def listens(port: int, pids: Collection[int], proc: Path = Path("/proc")) -> bool | None:
    """Return whether one of the processes holds a socket that listens on a port.

    None where that can't be told: no /proc, no process or listener seen, descriptors that we may not read.
    """
    if not pids:
        return None
    try:
        sockets = _listening(port, proc / str(min(pids)))
        held = {link for pid in pids for link in _descriptors(proc / str(pid) / "fd")}
    except OSError:
        return None
    return bool(sockets & held) if sockets else None


def _listening(port: int, process: Path) -> set[str]:
    """Return the sockets that listen on a port in a process's network, as descriptors' links name them."""
    found = set()
    for table in ("net/tcp", "net/tcp6"):
        path = process / table
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found


def _descriptors(folder: Path) -> Iterable[str]:
    for entry in os.scandir(folder):
        try:
            yield str(Path(entry.path).readlink())
        except FileNotFoundError:  # closed meanwhile
            continue
