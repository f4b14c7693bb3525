"""Curves of scaling from judged trials, their fit, their tables and their picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import drawn_text
import matplotlib as mpl
import numpy as np
import pytest
import synthetic
from matplotlib.lines import Line2D

from harness.ground.model import Caps, Cell, Load, Placement, Setting, Variant
from harness.ground.usl import Law
from harness.judgement.comparison import Measured
from harness.judgement.judge import judge
from harness.judgement.scaling import curves
from harness.output import scaling_plots, scaling_tables, table_formats
from harness.output.drawing import SETTINGS, colours_of, picture
from harness.records.summary import ScalingCurve, Summary
from harness.records.summary_json import from_json, to_json
from harness.records.wishes import carried_out, parse

USERS = (1, 4, 16, 64, 250, 1000, 4000)
LAW = Law(1000, 0.2, 1e-5)
OWN: Mapping[str, Setting] = {"threads": 16, "workers": "{cpus}", "backlog": 9}
BASE = replace(synthetic.variant("flask-gunicorn"), settings=OWN)
BLUE = {BASE.id: "#0072b2"}
PLACEMENT = Placement((0, 1, 2, 3), (4,), (5,), Caps(4.0, 1 << 30), overlap=False)


def wished(*names: str) -> tuple[Variant, ...]:
    """Return the base in these settings."""
    return tuple(carried_out(parse(name), BASE) for name in names)


def trial(
    variant: str, rate: float, *, users: int = 1000, block: int = 1, valid: bool = True, replica: int = 0
) -> Measured:
    """Return one trial."""
    cell = Cell(variant, "hello", Load("closed", users), replica=replica)
    metrics = {"requests_per_s": rate, "response_ms.p99": 1e6 / rate, "cpu.us_per_request": 200.0}
    return Measured(cell, block, valid, metrics)


def over_users(
    rate: Callable[[int], float] = LAW.at, levels: Sequence[int] = USERS, invalid: Sequence[int] = ()
) -> tuple[ScalingCurve, ...]:
    """Return the curves of one variant over users in five blocks."""
    trials = [
        trial(BASE.id, rate(users) * (1 + block / 100), users=users, block=block, valid=users not in invalid)
        for users in levels
        for block in range(1, 6)
    ]
    return curves(trials, (BASE,), PLACEMENT)


def over(rates: Mapping[str, float]) -> dict[str, ScalingCurve]:
    """Return the curves of rows of one run by what is varied."""
    trials = [trial(name, rate, block=block) for name, rate in rates.items() for block in (1, 2)]
    found = curves(trials, wished(*rates), PLACEMENT)
    assert len({curve.varied for curve in found}) == len(found)
    return {curve.varied: curve for curve in found}


def test_users_make_a_curve_with_a_fit() -> None:
    """Levels are in order, figures have intervals, and the law comes back from what it made."""
    (curve,) = over_users(levels=tuple(reversed(USERS)))
    assert (curve.variant, curve.scenario, curve.varied, curve.load.users) == (
        BASE.id,
        "hello",
        "users",
        4000,
    )
    assert [point.level for point in curve.points] == list(USERS)
    assert curve.fit is not None
    assert curve.no_fit == ""
    assert not curve.fit.poor
    assert curve.fit.rate_per_s.value == pytest.approx(1030)
    assert curve.fit.contention.value == pytest.approx(0.2)
    assert curve.fit.peak is not None
    assert curve.fit.peak.value == pytest.approx(LAW.peak)
    for point in curve.points:
        assert point.requests_per_s is not None
        assert point.requests_per_s.low is not None
        assert point.requests_per_s.value == pytest.approx(1.03 * LAW.at(point.level))
        assert point.efficiency_percent is not None
        assert point.efficiency_percent.value == pytest.approx(100 * LAW.at(point.level) / 1000 / point.level)
        assert point.residual_percent == pytest.approx(0, abs=1e-6)


def test_a_level_without_a_valid_trial_is_a_gap() -> None:
    """It is told as a level with no figure, not as 0, and the law is fitted to the others."""
    (curve,) = over_users(invalid=(16,))
    gap = curve.points[2]
    assert (gap.level, gap.trials, gap.valid_trials) == (16, 5, 0)
    assert (gap.requests_per_s, gap.response_p99_ms, gap.efficiency_percent) == (None, None, None)
    assert gap.residual_percent is None
    assert curve.fit is not None
    assert curve.fit.contention.value == pytest.approx(0.2)
    (fewer,) = over_users(invalid=(16, 64))
    assert (fewer.fit, fewer.no_fit) == (None, "5 levels, 6 are needed")
    (lowest,) = over_users(invalid=(1,))
    assert lowest.points[0].efficiency_percent is None
    assert lowest.points[1].efficiency_percent is not None
    assert lowest.points[1].efficiency_percent.value == pytest.approx(100)
    (none,) = over_users(invalid=USERS)
    assert none.no_fit == "no level has a valid trial"


def test_a_peak_beyond_what_was_measured_is_not_told() -> None:
    """Outside of the levels there is no peak, and its bounds stay within them."""
    (curve,) = over_users(levels=USERS[:6], rate=Law(1000, 0.2, 1e-7).at)
    assert curve.fit is not None
    assert curve.fit.peak is None
    (falling,) = over_users(rate=Law(1000, 1.1, 1e-4).at)
    assert falling.fit is not None
    assert falling.fit.peak is None
    noisy = [
        trial(BASE.id, LAW.at(users) * (1 + ((users + 3 * block) % 5 - 2) / 8), users=users, block=block)
        for users in (1, 4, 16, 64, 250, 320)
        for block in range(1, 6)
    ]
    (wide,) = curves(noisy, (BASE,), PLACEMENT)
    assert wide.fit is not None
    if wide.fit.peak is not None:
        bounds = (wide.fit.peak.low, wide.fit.peak.high)
        assert all(bound is None or 1 <= bound <= 320 for bound in bounds)


def test_two_levels_are_no_curve() -> None:
    """A curve needs three levels; users under a schedule and twins have none."""
    assert over_users(levels=(1, 4)) == ()
    scheduled = [
        replace(one, cell=replace(one.cell, load=Load("rate", one.cell.load.users, 10.0)))
        for one in (trial(BASE.id, 10, users=users) for users in USERS)
    ]
    assert curves(scheduled, (BASE,), PLACEMENT) == ()
    assert curves([trial(BASE.id, 10, users=users, replica=1) for users in USERS], (BASE,), PLACEMENT) == ()


def test_threads_workers_and_cpus_are_varied_one_at_a_time() -> None:
    """Rows of one curve differ in one thing; the base is among them with what its manifest says."""
    name = BASE.id
    found = over(
        {
            name: 1600.0,
            f"{name}[threads=1]": 100.0,
            f"{name}[threads=4]": 400.0,
            f"{name}[threads=1,workers=2]": 1.0,
            f"{name}[workers=1]": 500.0,
            f"{name}[workers=2]": 900.0,
            f"{name}[cpus=0.5]": 300.0,
            f"{name}[cpus=2]": 1000.0,
            f"{name}[backlog=1]": 1.0,
            f"{name}[backlog=2]": 1.0,
        }
    )
    levels = {
        varied: [(p.level, p.requests_per_s and p.requests_per_s.value) for p in curve.points]
        for varied, curve in found.items()
    }
    assert levels == {
        "threads": [(1, 100), (4, 400), (16, 1600)],
        "workers": [(1, 500), (2, 900), (4, 1600)],
        "cpus": [(0.5, 300), (2, 1000), (4, 1600)],
    }
    assert {curve.variant for curve in found.values()} == {name}
    assert found["cpus"].no_fit == "3 levels, 6 are needed"


def test_a_row_that_says_its_level_comes_before_the_base() -> None:
    """Of two rows at one level the one is taken whose name has it, and none is counted twice."""
    name = BASE.id
    found = over({name: 1.0, f"{name}[cpus=4]": 400.0, f"{name}[cpus=1]": 100.0, f"{name}[cpus=2]": 200.0})
    points = found["cpus"].points
    assert [(p.level, p.trials, p.requests_per_s and p.requests_per_s.value) for p in points] == [
        (1, 2, 100),
        (2, 2, 200),
        (4, 2, 400),
    ]


def test_names_that_can_not_be_read_are_data() -> None:
    """A record from elsewhere may name its variants as it likes."""
    hostile = replace(BASE, id="</b>[=|cmd()\x1b")
    trials = [
        trial(hostile.id, LAW.at(users), users=users, block=block) for users in USERS for block in (1, 2)
    ]
    found = curves(trials, (hostile,), PLACEMENT)
    assert found[0].variant == hostile.id
    made = table_formats.to_markdown(scaling_tables.build(found))
    assert "</b>" not in made
    assert "\x1b" not in made
    assert "&lt;/b&gt;" in drawn_text.shown(scaling_plots.canvas_of(found, colours_of([hostile.id])))


def summary_of(found: Sequence[ScalingCurve]) -> Summary:
    """Return a summary with these curves."""
    return replace(judge(synthetic.run(scenarios=("hello",))), scaling=tuple(found))


def test_curves_are_part_of_the_summary() -> None:
    """They are read as they were written, and a summary of before has none."""
    summary = summary_of(over_users(invalid=(16,)))
    text = to_json(summary)
    assert to_json(from_json(text)) == text
    old = text.replace(text[text.index(',\n "scaling"') :], "\n}\n")
    assert from_json(old).scaling == ()
    assert from_json(old.replace(',\n    "cpus": null', "")).cells[0].variant.cpus is None


def test_the_judge_finds_curves_and_own_caps() -> None:
    """From a stored run: three users' levels are a curve, and CPU is judged against the row's own cap."""
    capped = carried_out(parse("flask-gunicorn[cpus=0.5]"), BASE)
    loads = [Load("closed", users) for users in (500, 1000, 2000)]
    speed = synthetic.Speed(1000.0, 400.0, 50.0)
    trials = [
        synthetic.trial(Cell(capped.id, "hello", load), number, 1, speed)
        for number, load in enumerate(loads, 1)
    ]
    run = synthetic.run(scenarios=("hello",))
    run = replace(run, record=replace(run.record, variants=(capped,)))
    summary = judge(synthetic.with_trials(run, *trials))
    cell = summary.cells[0]
    assert cell.variant.cpus == 0.5
    assert cell.cpu.cores is not None
    assert cell.cpu.percent_of_cap is not None
    assert cell.cpu.cores.value == pytest.approx(0.4)
    assert cell.cpu.percent_of_cap.value == pytest.approx(80)
    used = {one.resource: one.utilisation_percent for one in cell.resources}
    assert used["sut-cpu"] == cell.cpu.percent_of_cap
    assert [curve.varied for curve in summary.scaling] == ["users"]


def test_tables_tell_gaps_peaks_and_poor_fits() -> None:
    """A gap is invalid, a peak beyond is said to be, a poor fit is called so in words, in CSV too."""
    built = scaling_tables.build(over_users(lambda users: min(users * 2000.0, 3500.0), invalid=(16,)))
    levels, fits = built
    assert (levels.scenario, levels.load) == ("hello", "closed, 1 to 4000 users")
    assert [row[3].text for row in levels.rows][2] == "invalid"
    assert [row[2].text for row in levels.rows] == [str(users) for users in USERS]
    assert fits.rows[0][-1].text == "poor fit"
    assert fits.rows[0][-3].text == "–"  # where a poor fit has its peak says nothing
    files = table_formats.csv_files(built)
    rows = list(csv.DictReader(io.StringIO(files["scaling.csv"])))
    assert [row["requests/s"] != "" for row in rows] == [users != 16 for users in USERS]
    assert [row["level"] for row in rows] == [str(users) for users in USERS]
    (fit,) = csv.DictReader(io.StringIO(files["scaling-fit.csv"]))
    assert fit["fit"] == "poor fit"
    assert fit["peak"] == ""
    (good,) = scaling_tables.build(over_users())[1].rows
    assert good[-1].text == "within 10 %"
    assert good[-3].text.startswith("283 [")
    assert good[2].text == "1030 [1010, 1050]"
    (beyond,) = scaling_tables.build(over_users(Law(1000, 0.2, 1e-9).at))[1].rows
    assert beyond[-3].text == "not between 1 and 4000"


def levels_of(line: Line2D) -> list[float]:
    """Return where a drawn line's points lie."""
    return [float(x) for x in np.asarray(line.get_xdata(), float)]


def test_the_law_is_drawn_between_levels_alone() -> None:
    """No drawn point of the law lies below the lowest or above the highest level that was measured."""
    curve = over_users(invalid=(4000,))[0]
    canvas = scaling_plots.canvas_of([curve], BLUE)
    upper, lower = canvas.axes
    (drawn,) = [levels for line in upper.lines if len(levels := levels_of(line)) > len(USERS)]
    assert (min(drawn), max(drawn)) == pytest.approx((1, 1000))
    assert upper.get_xscale() == "log"
    (residuals,) = [levels for line in lower.lines if len(levels := levels_of(line)) == 6]
    assert residuals == [1, 4, 16, 64, 250, 1000]


def test_the_picture_is_the_same_each_time() -> None:
    """The same curves give the same bytes; where nothing was measured there is no picture."""
    found = over_users()
    with mpl.rc_context(SETTINGS):
        drawn = [scaling_plots.canvases(found, BLUE)["scaling"] for _ in range(2)]
        first, second = (picture("scaling", canvas) for canvas in drawn)
    assert first == second
    assert scaling_plots.canvases(over_users(invalid=USERS), BLUE) == {}


NO_LEVEL: Sequence[Mapping[str, Setting]] = ({"threads": "many"}, {"threads": 0}, {})


@pytest.mark.parametrize("settings", NO_LEVEL)
def test_a_setting_that_is_no_number_is_no_level(settings: Mapping[str, Setting]) -> None:
    """Words, zero and a setting that is not there make no curve."""
    made = [replace(BASE, id=f"v{number}", settings=settings) for number in range(3)]
    assert curves([trial(one.id, 10) for one in made], made, PLACEMENT) == ()
