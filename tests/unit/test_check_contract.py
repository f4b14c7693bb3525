from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.ground.model import Scenario, Variant
from harness.lifecycle import runner
from harness.lifecycle.bench import Bench, Job
from harness.lifecycle.runner import check_contract
from harness.lifecycle.verify import CaseResult
from harness.records.contract import Case, load_cases

CASES: tuple[tuple[str, list[str], list[str]], ...] = (
    ("plain", [], []),
    ("needs a database", ["postgres"], []),
    ("without a database", [], ["postgres"]),
    ("limited", ["rate-limit"], []),
    ("limited, with a database", ["postgres", "rate-limit"], []),
    ("not limited", [], ["rate-limit"]),
)


@dataclass
class Starts:
    """Stands for a bench's starts: what was given in each, and what was asked then."""

    given: list[Collection[str]] = field(default_factory=list)
    asked: list[tuple[Collection[str], list[str]]] = field(default_factory=list)
    stopped: int = 0

    def stop(self) -> None:
        """Count."""
        self.stopped += 1

    def start(self, bench: Bench, *_: object, apart: Collection[str], **__: object) -> object:
        """Note what is given."""
        self.given.append(bench.beside(apart))
        return SimpleNamespace(base_url="http://x", party=self)

    def verify(
        self, _url: str, cases: Iterable[Case], *, services: frozenset[str], variables: Mapping[str, str]
    ) -> tuple[CaseResult, ...]:
        """Note what is asked; everything passes."""
        assert variables == {}
        names = [case.name for case in cases]
        self.asked.append((services, names))
        return tuple(CaseResult(name, True, "") for name in names)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Starts:
    """Put the stand-in where variants are started and asked."""
    starts = Starts()
    monkeypatch.setattr(Bench, "start", lambda bench, *args, **named: starts.start(bench, *args, **named))
    monkeypatch.setattr(runner, "verify", starts.verify)
    return starts


def bench_with(*services: str) -> Bench:
    """Return a bench of one variant and a scenario that needs these services."""
    job = SimpleNamespace(
        variants={"x": Variant("x", "", "X", "Python", "Y", "ASGI", "async", "default", ())},
        scenarios={"s": Scenario("s", "", services, ())},
    )
    there = tuple(SimpleNamespace(name=name, variables={}, for_clients={}) for name in services)
    anything: Any = None
    return Bench(cast(Job, job), anything, {}, cast(Any, there), Path(), Path(), anything)


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    """Write the cases down."""
    cases = [
        {"name": name, "needs": needs, "without": without, "request": {"method": "GET", "path": "/"}}
        | {"expect": {"status": 200}}
        for name, needs, without in CASES
    ]
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "some.json").write_text(json.dumps({"requests": {}, "cases": cases}))
    return tmp_path


def test_what_stands_apart_has_a_start_of_its_own(starts: Starts, contract: Path) -> None:
    """A service that changes every answer is given to the cases that need it, and to no other."""
    results = check_contract(bench_with("postgres", "rate-limit"), load_cases(contract), lambda _: None)
    assert starts.given == [{"postgres"}, {"postgres", "rate-limit"}]
    assert starts.asked == [
        ({"postgres"}, ["plain", "needs a database", "without a database", "not limited"]),
        ({"postgres", "rate-limit"}, ["limited", "limited, with a database"]),
    ]
    assert starts.stopped == 2
    assert [case.name for case in results["x"]] == [name for _, names in starts.asked for name in names]


def test_a_variant_that_speaks_no_tls_is_not_asked_by_tls(starts: Starts, contract: Path) -> None:
    """Its cases are told as not checked, without a start; a variant that does has one for them."""
    path = contract / "cases" / "some.json"
    path.write_text(path.read_text().replace('"limited, with', '"by TLS, with').replace("rate-limit", "tls"))
    bench = bench_with("postgres", "tls")
    results = check_contract(bench, load_cases(contract), lambda _: None)
    assert starts.given == [{"postgres"}]
    by_name = {case.name: case for case in results["x"]}
    assert by_name["by TLS, with a database"].passed is None
    assert "`tls`" in by_name["by TLS, with a database"].difference
    cast(Any, bench.job).variants["x"] = replace(bench.job.variants["x"], tls=("{tls_cert}",))
    check_contract(bench, load_cases(contract), lambda _: None)
    assert starts.given[1:] == [{"postgres"}, {"postgres", "tls"}]


def test_without_what_stands_apart_there_is_one_start(starts: Starts, contract: Path) -> None:
    """Where no scenario needs such a service the variant is started once, and is asked for everything."""
    check_contract(bench_with("postgres"), load_cases(contract), lambda _: None)
    assert starts.given == [{"postgres"}]
    assert starts.asked == [({"postgres"}, [name for name, _, _ in CASES])]
    assert starts.stopped == 1


def test_nothing_is_due_of_what_serves_no_scenario(starts: Starts, contract: Path) -> None:
    """A variant that serves none of the job's scenarios is not even started."""
    bench = bench_with("postgres")
    cast(Any, bench.job).variants["x"] = replace(bench.job.variants["x"], implements=("another",))
    assert check_contract(bench, load_cases(contract), lambda _: None) == {}
    assert starts.given == []
