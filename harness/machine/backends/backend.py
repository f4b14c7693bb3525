"""What every backend offers: a way to start a party under caps, look at it, and end it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from harness.ground.model import Caps
from harness.ground.observations import Counters
from harness.ground.process import Command


@dataclass(frozen=True, slots=True)
class Confinement:
    """A party (`sut`, `generator`, a service's name) and the part of the machine that it gets."""

    party: str
    command: Command
    cpus: tuple[int, ...]
    """The CPUs that it may run on; all of ours where empty."""
    caps: Caps | None
    """None for parties that are placed but not capped."""
    unprivileged: bool
    """Where we are root: run it as another uid without new privileges."""
    image: str | None = None
    """The image that holds its program; None for a program of this machine."""
    reads: tuple[str, ...] = ()
    """Files and folders of this machine, besides its program's own, that it reads."""
    writes: tuple[str, ...] = ()
    """Likewise, that it writes to."""
    publishes: int | None = None
    """Its port that is open on 127.0.0.1 where it is on a bridge; None on the machine's own network."""
    file_bytes: int | None = None
    """The bound on each file that it writes; the backend's own for foreign code where None."""


class Party(Protocol):
    """A started party."""

    @property
    def caps_enforced(self) -> bool:
        """Whether the kernel enforces both caps that were asked for."""

    def look(self) -> Look:
        """Return the party's processes and counters now."""

    def stop(self, grace_s: float = 5.0) -> int | None:
        """End every process of the party; return the first one's exit status, None where unknown."""


@dataclass(frozen=True, slots=True)
class Look:
    """A party at one moment."""

    counters: Counters
    pids: tuple[int, ...]
    """Its processes; empty where all have ended."""
    exit: int | None
    """The first process's exit status where it has ended."""


class Backend(Protocol):
    """Where parties run."""

    @property
    def name(self) -> str:
        """`cgroup` or `docker`."""

    def start(self, confinement: Confinement) -> Party:
        """Start a party; raises EnvironmentUnfit where the backend can't."""

    def close(self) -> None:
        """End whatever is still there and remove what the backend made."""
