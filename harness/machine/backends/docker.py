"""The backend with a container engine: what comes with an image runs in a container, the rest as ever."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from harness.ground.clock import Clock
from harness.machine import control_groups
from harness.machine.backends.backend import Backend, Confinement, Party
from harness.machine.backends.container import ContainerParty
from harness.machine.backends.launch import NOBODY, OWNER, descriptor_limit
from harness.machine.belongings import label_of
from harness.machine.control_groups import MAX_PROCESSES, PERIOD_US, PREFIX, Group
from harness.machine.custody.journal import Containers, Journal
from harness.machine.engine import RUN_LABEL, Engine, EngineLost, answering
from harness.machine.hierarchies import places_of

if TYPE_CHECKING:
    from docker.models.containers import Container
    from docker.types import Mount

_OPEN_ON = "127.0.0.1"
_SCRATCH = "size=64m,mode=1777"
_MOST_WRITTEN = 32 << 20
"""Bytes of a file, and of the log: half of the room on disk that a trial needs before it begins."""


class DockerBackend:
    """Parties in fresh containers, on the host's network unless one publishes a port."""

    name = "docker"

    def __init__(
        self,
        engine: Engine,
        run: str,
        journal: Journal,
        clock: Clock,
        beside: Backend,
        root: Path = Path("/"),
    ) -> None:
        """Take an engine; what has no image is started by the backend `beside`."""
        self._engine = engine
        self._run = run
        self._label = label_of(run, os.getpid())
        self._clock = clock
        self._beside = beside
        self._root = root
        self._numbers = itertools.count(1)
        self._parties: list[ContainerParty] = []
        journal.note(Containers(engine.address, self._label))

    def start(self, confinement: Confinement) -> Party:
        """Start a party inside its caps; raises EnvironmentUnfit where the engine won't."""
        if confinement.image is None:
            return self._beside.start(confinement)
        party = self._start(confinement, confinement.image)
        self._parties.append(party)
        return party

    def close(self) -> None:
        """End every party that is left, at once; harmless when repeated."""
        try:
            while self._parties:
                self._parties[-1].stop(grace_s=0)
                self._parties.pop()
        except EngineLost:  # what its containers were is in the journal
            self._parties.clear()
        finally:
            self._engine.client.close()
            self._beside.close()

    def _start(self, confinement: Confinement, image: str) -> ContainerParty:
        with answering(self._engine.address):
            container = self._create(confinement, image)
            try:
                container.start()
                group = self._group(container)
                return ContainerParty(
                    self._engine,
                    container,
                    group,
                    self._clock,
                    Path(confinement.command.log),
                    caps_enforced=_hold(group, confinement),
                )
            except BaseException:
                container.remove(force=True, v=True)
                raise

    def _group(self, container: Container) -> Group:
        """Return a started container's control group, without folders where it has ended already."""
        container.reload()
        group = Group(places_of(self._root, container.attrs["State"]["Pid"], str(container.id)))
        if not group.places:
            container.reload()  # it may have ended since
            if container.attrs["State"]["Running"]:
                raise EngineLost(
                    "the engine's containers can't be seen from here",
                    where=self._engine.address,
                    remedy="it runs in a virtual machine, as Docker Desktop does, or beside a container that "
                    "webdyno is in: run webdyno where the engine is, or use --backend cgroup",
                )
        return group

    def _create(self, confinement: Confinement, image: str) -> Container:
        from docker.types import LogConfig, Ulimit

        command, caps = confinement.command, confinement.caps
        files = descriptor_limit()
        limits = [Ulimit(name="nofile", soft=files, hard=files)]
        published = confinement.publishes
        if confinement.unprivileged:  # foreign code, which fills no disk
            limits.append(Ulimit(name="fsize", soft=_MOST_WRITTEN, hard=_MOST_WRITTEN))
        return self._engine.client.containers.create(
            image,
            list(command.argv[1:]),
            entrypoint=command.argv[0],
            name=self._name(confinement.party),
            labels={RUN_LABEL: self._label},
            environment=dict(command.env),
            working_dir=command.cwd,
            user=_user(confinement),
            network_mode="host" if published is None else "bridge",
            ports={} if published is None else {f"{published}/tcp": (_OPEN_ON, published)},
            cpuset_cpus=",".join(map(str, confinement.cpus)),
            cpu_period=None if caps is None else PERIOD_US,
            cpu_quota=None if caps is None else round(caps.cpus * PERIOD_US),
            mem_limit=None if caps is None else caps.memory_bytes,
            memswap_limit=None if caps is None else caps.memory_bytes,  # as much as the memory: no swap
            pids_limit=MAX_PROCESSES,
            read_only=True,
            tmpfs={"/tmp": _SCRATCH},  # noqa: S108 - the container's own
            mounts=_mounts(confinement),
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            ulimits=limits,
            log_config=LogConfig(type="json-file", config={"max-size": str(_MOST_WRITTEN), "max-file": "1"}),
            healthcheck={"test": ["NONE"]},  # an image's own would be measured with it
        )

    def _name(self, party: str) -> str:
        plain = re.sub(r"[^a-z0-9-]+", "-", party.lower())
        return f"{PREFIX}{self._run}-{os.getpid()}-{next(self._numbers)}-{plain}"


def _user(confinement: Confinement) -> str:
    if os.geteuid() != 0:
        return f"{os.geteuid()}:{os.getegid()}"
    uid = NOBODY if confinement.unprivileged else OWNER
    return f"{uid}:{uid}"


def _mounts(confinement: Confinement) -> list[Mount]:
    from docker.types import Mount

    given = {**dict.fromkeys(confinement.reads, True), **dict.fromkeys(confinement.writes, False)}
    return [Mount(path, path, type="bind", read_only=read_only) for path, read_only in given.items()]


def _hold(group: Group, confinement: Confinement) -> bool:
    caps = confinement.caps
    return caps is None or control_groups.caps_hold(
        group, quota_cpus=caps.cpus, memory_bytes=caps.memory_bytes
    )
