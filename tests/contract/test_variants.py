"""Every variant beside the base ones, whoever added it, keeps what it implements of the contract."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest
from served import APPS, EVERYTHING, VARIANTS, Database, Serve, wait_for

from harness.ground.model import NO_FRAMEWORK
from harness.lifecycle.verify import due_from, failures, verify
from harness.machine.services.catalogue import APART
from harness.machine.services.rate_limit import LIMIT, VARIABLE
from harness.machine.services.tls import TLS, Tls
from harness.machine.services.valkey import ValkeyService
from harness.records.contract import Case
from harness.records.manifest import find_scenarios, find_variants

ALL = find_variants([APPS])
SCENARIOS = find_scenarios(APPS.parent / "scenarios")
OTHERS = [name for name, variant in ALL.items() if name not in VARIANTS and variant.framework != NO_FRAMEWORK]


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_every_case_of_what_a_variant_implements_passes(
    name: str,
    serve: Serve,
    cases: tuple[Case, ...],
    with_everything: dict[str, str],
    tls: Tls,
    valkey: ValkeyService,
) -> None:
    """With every service, and by itself with each that stands apart, no case of its scenarios fails."""
    due = due_from(ALL[name], cases, SCENARIOS.values())
    added = {"rate-limit": {VARIABLE: LIMIT}, TLS: {**tls.variables, **tls.for_clients}}
    starts: dict[frozenset[str], list[Case]] = {frozenset(): []}
    for case in due:
        if TLS not in case.needs or ALL[name].tls:
            starts.setdefault(APART.intersection(case.needs), []).append(case)
    passed: set[str] = set()
    for apart, of_them in starts.items():
        given = with_everything | {key: value for one in apart for key, value in added[one].items()}
        valkey.reset()
        with serve(name, given) as served:
            results = verify(served.url, of_them, services=EVERYTHING | apart, variables=given)
        assert [(result.name, result.difference) for result in failures(results)] == []
        passed.update(result.name for result in results if result.passed)
    unchecked = {case.name for case in due} - passed
    assert unchecked <= {case.name for case in cases if case.without or TLS in case.needs}


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_without_services_a_variant_starts_all_the_same(
    name: str, serve: Serve, cases: tuple[Case, ...]
) -> None:
    """What needs no service keeps its rules, and what would need one says that it is not there."""
    with serve(name, {}) as served:
        results = verify(served.url, due_from(ALL[name], cases, SCENARIOS.values()))
    assert [(result.name, result.difference) for result in failures(results)] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "blocks"),
    [("flask-gunicorn-gevent", False), ("django-uvicorn", False), ("flask-gunicorn-sync", True)],
)
def test_a_worker_answers_while_the_database_does_not(
    name: str, blocks: bool, serve: Serve, with_database: dict[str, str], database: Database
) -> None:
    """Reads that wait for a lock keep a loop's only worker from nothing; one of `sync` they do."""
    with (
        psycopg.connect(database.url) as admin,
        serve(name, with_database) as served,
        ThreadPoolExecutor() as threads,
    ):
        admin.execute("LOCK TABLE ai_chat")
        reads = [threads.submit(httpx.get, f"{served.url}/api/ai/history/{user}") for user in (1, 2)]
        wait_for(lambda: waiting(admin) >= (1 if blocks else 2))
        healthy = threads.submit(httpx.get, f"{served.url}/healthz")
        if blocks:
            with pytest.raises(TimeoutError):
                healthy.result(timeout=1)
        else:
            assert healthy.result(timeout=7).status_code == 200
        admin.rollback()
        assert [read.result().status_code for read in reads] == [200, 200]


def waiting(admin: psycopg.Connection[tuple[int]]) -> int:
    """Return how many sessions wait for the table's lock."""
    rows = admin.execute(
        "SELECT count(*) FROM pg_locks WHERE relation = 'ai_chat'::regclass AND NOT granted"
    ).fetchall()
    return rows[0][0]
