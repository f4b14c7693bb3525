"""The shapes of all tables: rows as people see them, and as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from harness.records.summary import Figure
from harness.records.summary_json import round_figure

Kind = Literal["throughput", "latency", "cpu", "memory", "scaling", "scaling-fit"]


@dataclass(frozen=True, slots=True)
class Shown:
    """One field of a table as people see it."""

    text: str
    best: bool = False
    """Significantly better than all others, past the floor; ties have no best."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows about a scenario and load as people see them."""

    scenario: str
    load: str
    title: str
    headers: tuple[str, ...]
    """With units; the first is the variant's."""
    rows: tuple[tuple[Shown, ...], ...]


@dataclass(frozen=True, slots=True)
class Table(Grid):
    """One comparison table, the fastest first, invalid ones last."""

    kind: Kind
    frame: pd.DataFrame
    """The same rows as numbers; missing values were not measured."""


def numbers(header: str, figure: Figure | None) -> dict[str, object]:
    """Return a figure's columns: its value and its bounds, with the digits that are stored."""
    bounds = (None, None, None) if figure is None else (figure.value, figure.low, figure.high)
    names = (header, f"{header} low", f"{header} high")
    return {
        name: None if bound is None else round_figure(bound)
        for name, bound in zip(names, bounds, strict=True)
    }
