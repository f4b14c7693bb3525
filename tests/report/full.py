"""A run of the size of a full one on the disk: all variants, all scenarios, ten blocks."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
from synthetic import CLOSED, RUN_ID, Speed, run_record, trial, variant

from harness.ground.histogram import SIZE, Histogram, Interval, index_of, write_log
from harness.ground.model import Cell, PlannedTrial, Stage
from harness.ground.observations import TrialRecord
from harness.records.project import find_project
from harness.records.run import StoredRun
from harness.records.store import Results, write_parquet

BLOCKS = 10
TEN_THOUSAND = """() => {
  const figure = document.querySelector("figure[data-chart=ranked]");
  const island = figure.querySelector('script[type="application/json"]');
  const option = JSON.parse(island.textContent);
  const dots = option.series.find((one) => one.type === "scatter" && one.data.length > 3);
  dots.data = Array.from({ length: 10000 }, (_, n) => dots.data[n % dots.data.length]);
  island.textContent = JSON.stringify(option);
  const began = performance.now();
  figure.scrollIntoView();
  return new Promise((done) => {
    const look = () => figure.querySelectorAll("svg path").length > 10000
      ? done(performance.now() - began) : requestAnimationFrame(look);
    look();
  });
}"""
"""Has a page draw one of its charts with ten thousand points; tells how many ms that took."""


def full_run(results: Path) -> StoredRun:
    """Write the run as the harness does and read it back; blocks of a cell differ in their records alone."""
    project = find_project(Path(__file__))
    variants, scenarios = project.variants(), project.scenarios()
    cells = [
        Cell(name, scenario, CLOSED)
        for scenario in sorted(scenarios)
        for name, one in sorted(variants.items())
        if one.serves(scenarios[scenario])
    ]
    chance = random.Random(7)
    speeds = {
        name: Speed(chance.uniform(800, 9000), chance.uniform(90, 900), chance.uniform(30, 200))
        for name in variants
    }
    planned = [
        PlannedTrial(block * len(cells) + place + 1, block + 1, cell)
        for block in range(BLOCKS)
        for place, cell in enumerate(cells)
    ]
    record = run_record(tuple(variant(name) for name in sorted(variants)), BLOCKS)
    store = Results(results)
    store.begin(replace(record, stages=(Stage("trials", tuple(planned)),)))
    for one in planned:
        made = trial(one.cell, one.number, one.block, speeds[one.cell.variant], chance.gauss(1, 0.02))
        scratch = store.scratch(RUN_ID)
        if one.block == 1:
            write_parquet(scratch / "series.parquet", pd.DataFrame(made.series()))
            write_parquet(scratch / "samples.parquet", pd.DataFrame(made.samples()))
            (scratch / "latency.hlog").write_text(_log(made.record, chance))
        else:
            first = results / RUN_ID / "trials" / f"{(one.number - 1) % len(cells) + 1:03d}"
            for name in ("series.parquet", "samples.parquet", "latency.hlog"):
                shutil.copy(first / name, scratch)
        store.keep(made.record, scratch)
    return store.find(RUN_ID)


def _log(record: TrialRecord, chance: random.Random) -> str:
    """Return an interval log as the generator writes it: each second of warm-up and window."""
    assert record.load is not None
    counts = [0] * SIZE
    mean_us = 8e9 / record.load.requests
    for _ in range(2000):
        counts[index_of(int(mean_us * chance.lognormvariate(0, 0.4)))] += max(
            1, record.load.requests // 16_000
        )
    second = Histogram.of(counts)
    return write_log(
        (
            Interval(f"{tag}.0", float(at), 1.0, second)
            for at in range(-3, 8)
            for tag in ("response", "service")
        ),
        1_795_000_000.0,
    )
