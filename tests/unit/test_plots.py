import re
from dataclasses import replace

import pytest
import synthetic

from harness.judgement.judge import judge, judge_trials
from harness.output import plots
from harness.records.store import StoredRun


def pictures(run: StoredRun) -> tuple[plots.Picture, ...]:
    """Return the pictures of a run that stands in for a stored one."""
    return plots.pictures(judge(run), judge_trials(run))


@pytest.mark.slow
def test_same_bytes_twice() -> None:
    """The same trials give the same PNG and SVG bytes, without a date or a random id."""
    first, second = pictures(synthetic.recorded()), pictures(synthetic.recorded())
    assert first == second
    assert [picture.name for picture in first] == ["throughput", "latency", "resources"]
    for picture in first:
        assert picture.png.startswith(b"\x89PNG")
        assert "<dc:date>" not in picture.svg


def test_names_are_data() -> None:
    """A name that looks like a tag, mathematics or a control sequence is drawn as text."""
    speeds = {"</svg><script>x": synthetic.Speed(900, 900, 50), "$\\frac$\x1b": synthetic.Speed(800, 900, 50)}
    made = pictures(synthetic.run(speeds, ("hello",), twin=None))
    assert all("<script" not in picture.svg for picture in made)
    assert "&lt;/svg&gt;&lt;script&gt;x" in made[0].svg
    assert "$\\frac$<" in made[0].svg


def test_invalid_cells_have_no_bar() -> None:
    """A cell without a valid trial says so where its bar would be, and has no curve."""
    made = {picture.name: picture.svg for picture in pictures(synthetic.recorded())}
    assert made["throughput"].count("invalid: not ranked") == 1
    assert made["resources"].count("invalid: not ranked") == 2


def test_nothing_measured_nothing_drawn() -> None:
    """A run without a valid trial has no pictures."""
    assert pictures(replace(synthetic.run(), trials=())) == ()


def test_a_variant_keeps_its_colour() -> None:
    """Colours follow from names, differ within a run of eight, and are all from the palette."""
    labels = [f"variant-{number}" for number in range(8)]
    colours = plots.colours_of(labels)
    assert colours == plots.colours_of(reversed(labels))
    assert len(set(colours.values())) == len(plots.PALETTE) == 8
    assert plots.colours_of(["variant-3"])["variant-3"] in plots.PALETTE
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours.values())
    assert set(plots.colours_of(map(str, range(20))).values()) <= set(plots.PALETTE)
