"""Where the project's folders are: the checkout that the user stands in, else the harness's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import harness
from harness.ground.errors import UsageError
from harness.ground.model import Scenario, Variant
from harness.ground.names import choose
from harness.records.manifest import find_scenarios, find_variants
from harness.records.plan import Suite, find_suites, load_suite


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

    def variants(self, more: tuple[Path, ...] = ()) -> dict[str, Variant]:
        """Return the variants of the project and of further folders, by id."""
        return find_variants((self.apps, *more))

    def scenarios(self) -> dict[str, Scenario]:
        """Return the scenarios by id."""
        return find_scenarios(self.root / "scenarios")

    def suite(self, name: str) -> Suite:
        """Return a suite by its name or the path of its file; raises UsageError where there is none."""
        if name.endswith(".toml"):
            return load_suite(Path(name))
        known = find_suites(self.root / "scenarios" / "suites")
        choose((name,), known, "suite")
        return load_suite(known[name])


def find_project(start: Path) -> Project:
    """Return the project around a folder; raises UsageError where there is none."""
    for folder in (start, *start.parents, Path(harness.__file__).resolve().parent.parent):
        if (folder / "apps").is_dir() and (folder / "scenarios").is_dir():
            return Project(folder)
    raise UsageError(
        "there is no webdyno project here",
        where=str(start),
        remedy="go to a checkout of webdyno, which has apps/ and scenarios/",
    )
