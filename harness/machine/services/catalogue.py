"""Which backing services there are, by the names that scenarios ask for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from harness.ground.errors import UsageError
from harness.ground.names import choose, suggestion
from harness.machine.backends.backend import Backend, Party
from harness.machine.custody.journal import Journal
from harness.machine.services.classifier import offer_classifier
from harness.machine.services.keys import DOCUMENT_KEY, draw_keys
from harness.machine.services.llm import behaviour_wanted, start_llm
from harness.machine.services.metrics import make_metrics
from harness.machine.services.postgres import start_postgres
from harness.machine.services.postgres_database import VARIABLE
from harness.machine.services.rate_limit import LIMIT, WIDE_LIMIT, RateLimit
from harness.machine.services.tls import TLS, sign_certificate


class Service(Protocol):
    """A backing service that runs."""

    @property
    def name(self) -> str:
        """As scenarios ask for it."""

    @property
    def version(self) -> str:
        """For the record."""

    @property
    def origin(self) -> str:
        """Where it came from, such as `wheel`; for the record."""

    @property
    def party(self) -> Party | None:
        """Its processes; None where there are none, or none that are ours to see."""

    @property
    def variables(self) -> Mapping[str, str]:
        """What a SUT's environment must hold; values may be secret."""

    @property
    def for_clients(self) -> Mapping[str, str]:
        """What the generator's environment must hold, and what `verify` knows; values may be secret."""

    def reset(self) -> None:
        """Bring it into the state in which every SUT finds it; raises EnvironmentUnfit."""

    def stop(self) -> None:
        """End it and remove what it made; harmless when repeated."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a service is started with."""

    backend: Backend
    journal: Journal
    cpus: tuple[int, ...]
    """The CPUs that services may run on; all of ours where empty."""
    logs: Path
    """The folder in which each service writes `<name>.log`."""
    images: Mapping[str, str] = field(default_factory=dict)
    """The image of each service that runs in a container."""
    given: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What the services that were started before it tell a SUT."""


def _postgres(around: Surroundings) -> Service:
    key = around.given.get(DOCUMENT_KEY)
    return start_postgres(
        around.backend,
        around.journal,
        cpus=around.cpus,
        log=around.logs / "postgres.log",
        url=os.environ.get(VARIABLE) or None,
        document_key=bytes.fromhex(key) if key else None,
        image=around.images.get("postgres"),
    )


def _valkey(around: Surroundings) -> Service:
    # late: not every command needs it, and its client takes a third of a second to import
    from harness.machine.services.valkey import start_valkey

    return start_valkey(
        around.backend,
        around.journal,
        cpus=around.cpus,
        log=around.logs / "valkey.log",
        image=around.images.get("valkey"),
    )


def _llm(around: Surroundings) -> Service:
    return start_llm(
        around.backend,
        around.journal.run,
        cpus=around.cpus,
        log=around.logs / "llm.log",
        behaviour=behaviour_wanted(),
        image=around.images.get("llm"),
    )


def _classifier(_around: Surroundings) -> Service:
    return offer_classifier("classifier", "fp32")


def _classifier_int8(_around: Surroundings) -> Service:
    return offer_classifier("classifier-int8", "int8")


def _keys(_around: Surroundings) -> Service:
    return draw_keys()


def _rate_limit(_around: Surroundings) -> Service:
    return RateLimit("rate-limit", LIMIT)


def _rate_limit_wide(_around: Surroundings) -> Service:
    return RateLimit("rate-limit-wide", WIDE_LIMIT)


def _metrics(around: Surroundings) -> Service:
    return make_metrics(around.journal)


def _tls(around: Surroundings) -> Service:
    return sign_certificate(around.journal)


STARTERS: Mapping[str, Callable[[Surroundings], Service]] = {
    "keys": _keys,
    "postgres": _postgres,
    "valkey": _valkey,
    "llm": _llm,
    "rate-limit": _rate_limit,
    "rate-limit-wide": _rate_limit_wide,
    "metrics": _metrics,
    "classifier": _classifier,
    "classifier-int8": _classifier_int8,
    TLS: _tls,
}
"""In the order in which they are started, since some need what others tell."""

APART = frozenset({"rate-limit", "rate-limit-wide", TLS})
"""Services that change how every request is answered, and so are given to a SUT beside the others only where
somebody asks for one: a trial whose scenario needs it, or `verify`, in a start of its own for its cases."""

STAND_INS: Mapping[str, str] = {"classifier-int8": "classifier"}
"""What a service is to a SUT, where that has another name."""


def given_by(names: Iterable[str]) -> frozenset[str]:
    """Return what a SUT was given with these services, as the contract's cases call it."""
    given = frozenset(names)
    return given | {STAND_INS[name] for name in given & STAND_INS.keys()}


def check_services(names: Iterable[str], where: str) -> None:
    """Raise UsageError, with where they stand, for a service that there is not."""
    for name in names:
        if name not in STARTERS:
            raise UsageError(f"there is no service {name!r}", where=where, remedy=suggestion(name, STARTERS))


def start_services(names: Iterable[str], around: Surroundings) -> tuple[Service, ...]:
    """Start services by name, once each; where one can't be, those before it are stopped again.

    Raises UsageError for an unknown name, before any is started, and EnvironmentUnfit.
    """
    chosen = choose(names, STARTERS, "service")
    started: list[Service] = []
    try:
        for name in sorted(chosen, key=list(STARTERS).index):
            given = {key: value for service in started for key, value in service.variables.items()}
            started.append(STARTERS[name](replace(around, given=given)))
    except BaseException:
        for service in reversed(started):
            service.stop()
        raise
    return tuple(started)
