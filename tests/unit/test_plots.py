import re
from collections import Counter
from dataclasses import replace

import drawn_text
import pytest
import synthetic

from harness.judgement.judge import judge, reported_trials
from harness.output import drawing, plots
from harness.records.run import StoredRun


def drawn(run: StoredRun) -> dict[str, str]:
    """Return what the pictures of a run show, by their names."""
    made = plots.canvases(judge(run), reported_trials(run))
    return {name: drawn_text.shown(canvas) for name, canvas in made.items()}


@pytest.mark.slow
def test_same_bytes_twice() -> None:
    """The same trials give the same PNG bytes, without a date or a random id."""
    run = synthetic.recorded()
    first, second = (plots.pictures(judge(run), reported_trials(run)) for _ in range(2))
    assert first == second
    assert [picture.name for picture in first] == ["throughput", "latency", "resources"]
    assert all(picture.png.startswith(b"\x89PNG") for picture in first)


def test_names_are_data() -> None:
    """A name that looks like a tag, mathematics or a control sequence is drawn as text."""
    speeds = {"</svg><script>x": synthetic.Speed(900, 900, 50), "$\\frac$\x1b": synthetic.Speed(800, 900, 50)}
    made = drawn(synthetic.run(speeds, ("hello",), twin=None))
    assert all("&lt;/svg&gt;&lt;script&gt;x" in shown for shown in made.values())
    assert "$\\frac$<" in made["throughput"]


def test_long_names_are_cut() -> None:
    """A name of ten thousand signs leaves room for its bar."""
    long = "x" * 10_000
    made = drawn(synthetic.run({long: synthetic.Speed(900, 900, 50)}, (long,), twin=None))
    assert all("x" * 31 + "…" in shown and "x" * 32 not in shown for shown in made.values())


def test_invalid_cells_have_no_bar() -> None:
    """A cell without a valid trial says so where its bar would be, and has no curve."""
    made = drawn(synthetic.recorded())
    assert made["throughput"].count("invalid: not ranked") == 1
    assert made["resources"].count("invalid: not ranked") == 2


def test_nothing_measured_nothing_drawn() -> None:
    """A run without a valid trial has no pictures."""
    assert drawn(replace(synthetic.run(), trials=())) == {}


def test_a_variant_keeps_its_colour() -> None:
    """Colours follow from names, differ within a run of eight, and are all from the palette."""
    labels = [f"variant-{number}" for number in range(8)]
    colours = drawing.colours_of(labels)
    assert colours == drawing.colours_of(reversed(labels))
    assert len(set(colours.values())) == len(drawing.PALETTE) == 8
    assert drawing.colours_of(["variant-3"])["variant-3"] in drawing.PALETTE
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours.values())
    shared = Counter(drawing.colours_of(map(str, range(20))).values())
    assert set(shared) == set(drawing.PALETTE)
    assert max(shared.values()) == 3
