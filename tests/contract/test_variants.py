"""Every variant beside the base ones, whoever added it, keeps what it implements of the contract."""

from __future__ import annotations

import pytest
from served import APPS, EVERYTHING, VARIANTS, Serve

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
        assert failures(results) == ()
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
    assert failures(results) == ()
