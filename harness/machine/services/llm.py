"""The language model of a run: a stub that answers as OpenAI's API does, in a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import harness
from harness.ground.clock import Clock, SystemClock
from harness.ground.errors import UsageError
from harness.machine.backends.backend import Backend, Party
from harness.machine.backends.launch import OWNER
from harness.machine.services import llm_stub
from harness.machine.services.listening import ADDRESS, Server, serve
from harness.machine.services.llm_stub.model import Behaviour

URL = "WEBDYNO_LLM_URL"
KEY = "WEBDYNO_LLM_KEY"
MEDIAN_MS = "WEBDYNO_LLM_MEDIAN_MS"
P99_MS = "WEBDYNO_LLM_P99_MS"
_VERSION = 1
"""Goes up whenever the stub answers the same prompt otherwise."""
_PACKAGE_PARENT = Path(harness.__file__).resolve().parent.parent
IMAGE_TOP = Path("/webdyno")
"""Where the stub's image has what it needs of the harness."""


@dataclass(slots=True)
class LlmService:
    """A language model that SUTs can reach."""

    url: str
    """The base of its addresses, as OpenAI's clients want it."""
    key: str = field(repr=False)
    party: Party
    version: str
    name: str = "llm"
    origin: str = "stub"

    @property
    def variables(self) -> Mapping[str, str]:
        """Return what a SUT's environment must hold."""
        return {URL: self.url, KEY: self.key}

    @property
    def for_clients(self) -> Mapping[str, str]:
        """Return nothing: no user of a SUT sees its model."""
        return {}

    def reset(self) -> None:
        """Do nothing: no answer depends on what was asked before."""

    def stop(self) -> None:
        """End it; harmless when repeated."""
        self.party.stop()


def behaviour_wanted(environment: Mapping[str, str] = os.environ) -> Behaviour:
    """Return the latency that the environment asks for, else the stub's own; raises UsageError."""
    default = Behaviour()
    try:
        return Behaviour(
            median_ms=float(environment.get(MEDIAN_MS) or default.median_ms),
            p99_ms=float(environment.get(P99_MS) or default.p99_ms),
        )
    except ValueError as error:
        raise UsageError(
            f"is no distribution of latencies: {error}",
            where=f"{MEDIAN_MS}, {P99_MS}",
            remedy="both are milliseconds, and the p99 is not below the median",
        ) from error


def start_llm(
    backend: Backend,
    run: str,
    *,
    cpus: tuple[int, ...],
    log: Path,
    behaviour: Behaviour,
    image: str | None = None,
    clock: Clock | None = None,
) -> LlmService:
    """Start a stub on a free port of 127.0.0.1, for who has the run's key; raises EnvironmentUnfit."""
    key = secrets.token_urlsafe(24)
    given = {
        "--median-ms": behaviour.median_ms,
        "--p99-ms": behaviour.p99_ms,
        "--median-tokens": behaviour.median_tokens,
        "--p99-tokens": behaviour.p99_tokens,
        "--seed": behaviour.seed,
        **({"--uid": OWNER} if os.geteuid() == 0 and image is None else {}),
    }
    flags = tuple(part for name, value in given.items() for part in (name, str(value)))

    def command(port: int) -> tuple[str, ...]:
        return (python, "-m", llm_stub.__name__, "--port", str(port), *flags)

    python, place = (sys.executable, _PACKAGE_PARENT) if image is None else ("python", IMAGE_TOP)
    environment = {"PYTHONPATH": str(place), KEY: key}
    server = Server("llm", "the LLM stub", command, environment, lambda port: _answers(port, key), image)
    party, port = serve(server, backend, run=run, cpus=cpus, log=log, clock=clock or SystemClock())
    latency = f"median {behaviour.median_ms:g} ms, p99 {behaviour.p99_ms:g} ms"
    return LlmService(
        f"http://{ADDRESS}:{port}/v1", key, party, f"{_VERSION}, {latency}, seed {behaviour.seed}"
    )


def _answers(port: int, key: str) -> bool:
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=5)
    try:
        connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        return answer.status == 200 and "data" in json.load(answer)
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
