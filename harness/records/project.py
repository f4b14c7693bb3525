"""Where the project's folders are: the checkout that the user stands in, else the harness's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import harness
from harness.ground.errors import UsageError
from harness.ground.model import Scenario, Variant
from harness.ground.names import choose
from harness.records.contract import Case, check_driven, load_cases, load_extension
from harness.records.manifest import MANIFEST, find_scenarios, find_variants, scenario_files
from harness.records.plan import Suite, find_suites, load_suite

SCENARIOS = "scenarios"
"""The folder of scenarios: the project's, beside `apps/`, and that of any other folder of variants, in it."""


@dataclass(frozen=True, slots=True)
class Project:
    """A checkout with `apps/` and `scenarios/`."""

    root: Path

    @property
    def apps(self) -> Path:
        """Return the folder of the variants, their domain and their contract."""
        return self.root / "apps"

    @property
    def results(self) -> Path:
        """Return the folder of the runs."""
        return self.root / "results"

    @property
    def reports(self) -> Path:
        """Return the folder of the reports."""
        return self.root / "reports"

    @property
    def suites(self) -> Path:
        """Return the folder of the suites."""
        return self.root / SCENARIOS / "suites"

    def variants(self, more: tuple[Path, ...] = ()) -> dict[str, Variant]:
        """Return the variants of the project and of further folders, by id."""
        return find_variants((self.apps, *more))

    def scenarios(self, more: tuple[Path, ...] = ()) -> dict[str, Scenario]:
        """Return the scenarios of the project and of further folders' `scenarios/`, by id."""
        folders = self._scenario_folders(more)
        beyond = {case.endpoint for case in load_extension(folders)}
        return {
            name: replace(scenario, extends=not beyond.isdisjoint(scenario.endpoints))
            for name, scenario in find_scenarios(*folders).items()
        }

    def scenario_files(self, more: tuple[Path, ...] = ()) -> list[Path]:
        """Return the files of these scenarios, unread."""
        return scenario_files(self._scenario_folders(more))

    def cases(self, scenarios: Iterable[Scenario], more: tuple[Path, ...] = ()) -> tuple[Case, ...]:
        """Return the cases of the contract, and of what extends it beside scenarios.

        Raises UsageError for a case that can't be, and where these scenarios and the cases don't match.
        """
        cases = load_cases(self.apps / "contract", load_extension(self._scenario_folders(more)))
        check_driven(cases, scenarios)
        return cases

    def _scenario_folders(self, more: Iterable[Path]) -> list[Path]:
        """Return the project's folder of scenarios, and those that further folders of variants have."""
        further = (folder / SCENARIOS for folder in more)
        folders = (self.root / SCENARIOS, *(folder for folder in further if folder.is_dir()))
        return list(dict.fromkeys(folder.resolve() for folder in folders))

    def suite(self, name: str) -> Suite:
        """Return a suite by its name or the path of its file; raises UsageError where there is none."""
        if name.endswith(".toml"):
            return load_suite(Path(name))
        known = find_suites(self.suites)
        choose((name,), known, "suite")
        return load_suite(known[name])


def apps_of(folder: Path) -> Path:
    """Return the folder itself, or the `apps` of what holds no variant, as a checkout's root does."""
    inner = folder / "apps"
    return inner if inner.is_dir() and not any(folder.glob(f"*/{MANIFEST}")) else folder


def find_project(start: Path) -> Project:
    """Return the project around a folder; raises UsageError where there is none."""
    for folder in (start, *start.parents, Path(harness.__file__).resolve().parent.parent):
        if (folder / "apps").is_dir() and (folder / SCENARIOS).is_dir():
            return Project(folder)
    raise UsageError(
        "there is no webdyno project here",
        where=str(start),
        remedy="go to a checkout of webdyno, which has apps/ and scenarios/",
    )
