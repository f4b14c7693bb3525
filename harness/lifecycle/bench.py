"""What a run's trials share: environments, services, a backend, and the harness out of the SUT's way."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.ground.clock import Clock
from harness.ground.model import Network, Placement, PlannedTrial, Scenario, Timing, Variant
from harness.lifecycle.steps import Preparing, Tell
from harness.lifecycle.sut import Sut, start_sut
from harness.machine import environments, images, setups
from harness.machine.backends.backend import Backend
from harness.machine.backends.cgroup import CgroupBackend
from harness.machine.backends.docker import DockerBackend
from harness.machine.belongings import label_of
from harness.machine.custody.journal import Journal
from harness.machine.engine import Engine, connect
from harness.machine.environments import Environment
from harness.machine.services.catalogue import APART, Service, Surroundings, start_services
from harness.machine.services.service_images import ensure_images
from harness.machine.services.tls import CA_FILE


@dataclass(frozen=True, slots=True)
class Job:
    """What a bench is set up for."""

    run: str
    variants: Mapping[str, Variant]
    scenarios: Mapping[str, Scenario]
    placement: Placement
    timing: Timing
    seed: int
    backend: Literal["cgroup", "docker"] = "cgroup"
    without: frozenset[str] = frozenset()
    """Services that nobody is given here, whichever scenario needs them."""
    network: Network = "host"
    """Where a SUT's container is."""

    @property
    def services(self) -> tuple[str, ...]:
        """The names of the services that are started, once each."""
        needs = dict.fromkeys(need for scenario in self.scenarios.values() for need in scenario.services)
        return tuple(need for need in needs if need not in self.without)


@dataclass(frozen=True, slots=True)
class Bench:
    """A job with everything in place that its trials need."""

    job: Job
    backend: Backend
    environments: Mapping[str, Environment]
    """By variant."""
    services: tuple[Service, ...]
    apps_root: Path
    folder: Path
    """For files that belong to no trial; removed at the end, whatever it is."""
    clock: Clock

    def start(
        self,
        variant: Variant,
        trial: PlannedTrial | None,
        *,
        port: int,
        log: Path,
        apart: Collection[str] = (),
    ) -> Sut:
        """Start a variant under its caps, on services as they were at first; see `sut.start_sut`.

        In a trial it is given the services that the scenario needs, and pays for no other; else all of them,
        but of those that stand apart the ones in `apart` alone.
        """
        for service in self.services:
            service.reset()
        given = self.beside(apart) if trial is None else self.job.scenarios[trial.cell.scenario].services
        return start_sut(
            self.backend,
            variant,
            self.environments[variant.id],
            placement=self.job.placement.of(variant),
            settings=trial.cell.settings if trial else {},
            services=self._variables_of(given),
            ca_file=self.for_clients.get(CA_FILE),
            network=self.job.network,
            apps_root=self.apps_root,
            port=port,
            log=log,
            clock=self.clock,
        )

    def beside(self, apart: Collection[str]) -> frozenset[str]:
        """Return the names of all services, but of those that stand apart these alone."""
        return frozenset(service.name for service in self.services) - (APART - frozenset(apart))

    @property
    def variables(self) -> dict[str, str]:
        """What the services tell a SUT."""
        return self._variables_of([service.name for service in self.services])

    def _variables_of(self, names: Collection[str]) -> dict[str, str]:
        given = (service for service in self.services if service.name in names)
        return {k: v for service in given for k, v in service.variables.items()}

    @property
    def versions(self) -> dict[str, str]:
        """What the services are, for the record."""
        return {service.name: f"{service.version} ({service.origin})" for service in self.services}

    @property
    def for_clients(self) -> dict[str, str]:
        """What the services tell whoever asks a SUT."""
        return {k: v for service in self.services for k, v in service.for_clients.items()}


@contextmanager
def set_up(
    job: Job, journal: Journal, *, apps_root: Path, folder: Path, clock: Clock, tell: Tell
) -> Iterator[Bench]:
    """Make environments, start the job's services, and end them afterwards.

    Raises EnvironmentUnfit or VariantFailed where that can't be done.
    """
    backend: Backend = CgroupBackend(job.run, journal, clock)
    service_images: dict[str, str] = {}
    try:
        if job.backend == "docker":
            engine = connect()
            backend = DockerBackend(engine, job.run, journal, clock, beside=backend)
            made = {
                name: _image(engine, job, variant, apps_root, tell) for name, variant in job.variants.items()
            }
            service_images = ensure_images(engine, job.services, lambda text: tell(Preparing(text)))
        else:
            means = setups.Means(backend, clock, folder)
            made = {
                name: _environment(variant, apps_root, means, tell) for name, variant in job.variants.items()
            }
        if job.services:
            tell(Preparing(f"starting {', '.join(job.services)}"))
        around = Surroundings(backend, journal, job.placement.service_cpus, folder, service_images)
        services = start_services(job.services, around)
        apart = stay_off(job.placement)
        try:
            yield Bench(job, backend, made, services, apps_root, folder, clock)
        finally:
            apart()
            for service in reversed(services):
                service.stop()
    finally:
        backend.close()


def _environment(variant: Variant, apps_root: Path, means: setups.Means, tell: Tell) -> Environment:
    made = environments.ensure(variant, lambda text: tell(Preparing(text)))
    environments.compile_bytecode(made, variant, apps_root=apps_root)
    return setups.ensure(variant, made, means, lambda text: tell(Preparing(text)))


def _image(engine: Engine, job: Job, variant: Variant, apps_root: Path, tell: Tell) -> Environment:
    label = label_of(job.run, os.getpid())
    return images.ensure(
        engine, variant, apps_root=apps_root, label=label, report=lambda text: tell(Preparing(text))
    )


def stay_off(placement: Placement) -> Callable[[], None]:
    """Move the harness to the services' CPUs, away from the SUT; return what moves it back."""
    try:
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, placement.service_cpus)
    except (AttributeError, OSError):  # not Linux, or not permitted
        return lambda: None
    return lambda: os.sched_setaffinity(0, before)
