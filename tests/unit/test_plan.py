import re
from collections import Counter
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest
import synthetic
from hypothesis import given
from hypothesis import strategies as st

from harness.ground.errors import UsageError
from harness.ground.model import Cell, Load, PlannedTrial, Scenario, Stage, Timing
from harness.records.loads import LoadWishes
from harness.records.manifest import find_scenarios
from harness.records.plan import (
    TRIAL_OVERHEAD_S,
    Matrix,
    Suite,
    check_names,
    estimate_s,
    find_suites,
    lay_out,
    load_suite,
    narrow,
    with_found,
    with_own_users,
)
from harness.records.project import Project
from harness.records.wishes import base_of, named

ROOT = Path(__file__).parents[2]
NAMES = ("fastapi-uvicorn", "flask-gunicorn", "django-gunicorn")
VARIANTS = {name: synthetic.variant(name) for name in NAMES}
SCENARIOS = {name: Scenario(name, f"/{name}.py") for name in ("hello", "history", "validate")}
suites = st.builds(
    Suite,
    name=st.just("made-up"),
    title=st.just(""),
    variants=st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(tuple),
    scenarios=st.lists(st.sampled_from(["hello", "history", "validate"]), min_size=1, unique=True).map(tuple),
    loads=st.lists(st.integers(1, 1000), min_size=1, max_size=3, unique=True).map(
        lambda users: tuple(Load("closed", count) for count in users)
    ),
    blocks=st.integers(1, 12),
    timing=st.just(Timing(1, 2)),
    twins=st.lists(st.sampled_from(["hello", "history", "validate"]), unique=True).map(tuple),
)


def suite(**changes: object) -> Suite:
    """Return a suite of three variants on two scenarios in four blocks."""
    loads = (Load("closed", 1000),)
    made = Suite("s", "", NAMES, ("hello", "history"), loads, 4, Timing(3, 8), ("hello",))
    return replace(made, **changes)  # type: ignore[arg-type]


def laid_out(wanted: Suite) -> tuple[PlannedTrial, ...]:
    """Return a suite's trials."""
    return lay_out(wanted, {name: VARIANTS[base_of(name)] for name in wanted.rows}, SCENARIOS, 1).trials


def key(cell: Cell) -> tuple[object, ...]:
    """Return what distinguishes a cell."""
    return cell.variant, cell.scenario, cell.load, cell.replica


@given(suites, st.integers(0, 2**31))
def test_every_block_holds_every_cell_exactly_once(wanted: Suite, seed: int) -> None:
    """However it is shuffled, each block is a complete pass, numbered without gaps."""
    stage = lay_out(wanted, VARIANTS, SCENARIOS, seed)
    assert [trial.number for trial in stage.trials] == list(range(1, len(stage.trials) + 1))
    due = {
        (name, scenario, load, 0)
        for name in wanted.variants
        for scenario in wanted.scenarios
        for load in wanted.loads
    }
    due |= {
        (wanted.variants[0], scenario, load, 1)
        for scenario in wanted.twins
        if scenario in wanted.scenarios
        for load in wanted.loads
    }
    for block in range(1, wanted.blocks + 1):
        held = Counter(key(trial.cell) for trial in stage.trials if trial.block == block)
        assert held == Counter(due)
    assert lay_out(wanted, VARIANTS, SCENARIOS, seed) == stage


@given(suites, st.integers(0, 2**31))
def test_blocks_of_scenarios_take_turns(wanted: Suite, seed: int) -> None:
    """A block of every scenario and load is over before any has its next: a drift falls on all alike."""
    stage = lay_out(wanted, VARIANTS, SCENARIOS, seed)
    passes = [
        (block, scenario, load)
        for (block, scenario, load), _ in groupby(
            stage.trials, key=lambda trial: (trial.block, trial.cell.scenario, trial.cell.load)
        )
    ]
    turns = [(scenario, load) for scenario in wanted.scenarios for load in wanted.loads]
    assert passes == [(block, *turn) for block in range(1, wanted.blocks + 1) for turn in turns]


def test_two_seeds_give_two_orders() -> None:
    """The order comes from the seed, and blocks have orders of their own."""
    wanted = suite(scenarios=("hello",), blocks=8, twins=())
    orders = {
        seed: [trial.cell.variant for trial in lay_out(wanted, VARIANTS, SCENARIOS, seed).trials]
        for seed in (1, 2)
    }
    assert orders[1] != orders[2]
    blocks = {tuple(orders[1][at : at + 3]) for at in range(0, 24, 3)}
    assert len(blocks) > 1


def test_a_twin_only_where_it_is_asked_for() -> None:
    """The A/A pair is the first variant's, on the scenarios that the suite names."""
    twins = {
        key(trial.cell) for trial in lay_out(suite(), VARIANTS, SCENARIOS, 1).trials if trial.cell.replica
    }
    assert twins == {(NAMES[0], "hello", Load("closed", 1000), 1)}
    assert not any(trial.cell.replica for trial in lay_out(suite(twins=()), VARIANTS, SCENARIOS, 1).trials)


def test_a_scenario_with_loads_of_its_own_has_no_other() -> None:
    """The suite's loads are for those scenarios that have none of their own."""
    own = Load("closed", 100)
    trials = lay_out(suite(own_loads={"history": (own,)}), VARIANTS, SCENARIOS, 1).trials
    assert {(trial.cell.scenario, trial.cell.load.users) for trial in trials} == {
        ("hello", 1000),
        ("history", 100),
    }


def test_a_scenario_may_say_how_many_users_suit_it() -> None:
    """They stand in a load that is for every scenario; a load that the suite has for it stays as it is."""
    scenarios = {"hello": Scenario("hello", ""), "history": Scenario("history", "", users=100)}
    loads = {trial.cell.scenario: trial.cell.load for trial in laid_out(with_own_users(suite(), scenarios))}
    assert loads == {"hello": Load("closed", 1000), "history": Load("closed", 100)}
    own = suite(own_loads={"history": (Load("closed", 7),)})
    loads = {trial.cell.scenario: trial.cell.load for trial in laid_out(with_own_users(own, scenarios))}
    assert loads["history"] == Load("closed", 7)


def test_a_matrix_adds_a_row_for_each_combination(tmp_path: Path) -> None:
    """Beside its default a variant runs in each combination, in every block, where the matrix says."""
    path = tmp_path / "mine.toml"
    path.write_text(
        f"""title = ""\nvariants = {list(NAMES)}\nscenarios = ["hello", "history"]
        blocks = 4\nwindow_s = 1\nwarmup_s = 0
        [[load]]\nprofile = "closed"\nusers = 1
        [[matrix]]\nvariants = ["{NAMES[1]}"]\nscenarios = ["history"]
        settings.threads = [4, 64]\npython = ["3.12", "3.13"]
        versions.flask = ["3.0.0", "git+https://host/flask@main"]
        """.replace("'", '"')
    )
    wanted = load_suite(path)
    rows = Counter((trial.cell.scenario, trial.cell.variant) for trial in laid_out(wanted))
    due = {
        f"{NAMES[1]}[threads={threads}]@flask{version}@python{python}"
        for threads in (4, 64)
        for version in ("==3.0.0", "@git+https://host/flask@main")
        for python in ("3.12", "3.13")
    }
    assert rows == {
        **{(scenario, name): 4 for scenario in wanted.scenarios for name in NAMES},
        **{("history", name): 4 for name in due},
    }
    assert set(wanted.rows) == {*NAMES, *due}
    without = replace(wanted, variants=NAMES[:1])
    assert without.rows == NAMES[:1], "a variant that does not run has no other rows either"


def test_a_matrix_may_hold_caps(tmp_path: Path) -> None:
    """Caps are numbers with or without a point; one that is none is told."""
    path = tmp_path / "caps.toml"
    text = (
        f'title = "t"\nvariants = ["{NAMES[1]}"]\nscenarios = ["hello"]\n'
        "blocks = 1\nwindow_s = 1\nwarmup_s = 0\n"
        f'[[load]]\nprofile = "closed"\nusers = 1\n[[matrix]]\nvariants = ["{NAMES[1]}"]\nsettings.cpus = '
    )
    path.write_text(f"{text}[0.25, 0.5, 1, 2.0]\n")
    assert load_suite(path).rows == (
        NAMES[1],
        *(f"{NAMES[1]}[cpus={cap}]" for cap in ("0.25", "0.5", "1", "2")),
    )
    for value in ("0", "-1", "nan", "inf", "0.001", '"much"'):
        path.write_text(f"{text}[{value}]\n")
        with pytest.raises(UsageError, match="are no cap"):
            load_suite(path)


def test_a_matrix_that_changes_nothing_is_told(tmp_path: Path) -> None:
    """It would be the same row again."""
    path = tmp_path / "mine.toml"
    path.write_text(
        'title = ""\nvariants = ["a"]\nscenarios = ["b"]\nblocks = 1\nwindow_s = 1\nwarmup_s = 0\n'
        '[[load]]\nprofile = "closed"\nusers = 1\n[[matrix]]\nvariants = ["a"]\n'
    )
    with pytest.raises(UsageError, match=r"(?s)matrix\.0: changes nothing"):
        load_suite(path)


def test_what_a_variant_does_not_implement_is_left_out() -> None:
    """A variant has no cell on a scenario that it says it can't serve; its twin neither."""
    variants = {**VARIANTS, NAMES[0]: replace(VARIANTS[NAMES[0]], implements=("history",))}
    trials = lay_out(suite(), variants, SCENARIOS, 1).trials
    held = {(trial.cell.variant, trial.cell.scenario, trial.cell.replica) for trial in trials}
    assert (NAMES[0], "hello", 0) not in held
    assert (NAMES[0], "history", 0) in held
    assert (NAMES[1], "hello", 1) in held


def test_a_variant_that_speaks_no_tls_has_no_cell_by_tls() -> None:
    """It is left out of the scenarios that need TLS, and of no other."""
    variants = {**VARIANTS, NAMES[0]: replace(VARIANTS[NAMES[0]], tls=("{tls_cert}", "{tls_key}"))}
    trials = lay_out(suite(), variants, SCENARIOS, 1, by_tls=["history"]).trials
    held = {
        scenario: {t.cell.variant for t in trials if t.cell.scenario == scenario}
        for scenario in ("hello", "history")
    }
    assert held == {"hello": set(NAMES), "history": {NAMES[0]}}


def test_the_command_line_narrows_a_suite() -> None:
    """Each wish takes the place of the suite's own value, and a twin goes with its scenario."""
    wanted = narrow(
        suite(loads=(Load("closed", 10), Load("closed", 20))),
        variants=NAMES[:1] * 2,
        scenarios=("history",),
        load=LoadWishes(users=5),
        blocks=1,
        window_s=2.0,
        warmup_s=0.0,
    )
    assert wanted.variants == NAMES[:1], "a name that is given twice is one row"
    assert wanted.twins == ()
    assert wanted.loads == (Load("closed", 5),)  # two loads that became one are one
    assert (wanted.timing.warmup_s, wanted.timing.window_s) == (0.0, 2.0)
    assert wanted.title == "the suite s with what your flags changed"
    same = narrow(
        suite(), variants=(), scenarios=(), load=LoadWishes(), blocks=None, window_s=None, warmup_s=None
    )
    assert same == suite()


def test_unknown_names_are_told() -> None:
    """A variant, a scenario or a twin's scenario that there is not is told with the nearest one."""
    scenarios = {"hello": None, "history": None}
    check_names(suite(), VARIANTS, scenarios)
    for wrong in (suite(variants=("flask",)), suite(scenarios=("helo",)), suite(twins=("helo",))):
        with pytest.raises(UsageError, match="did you mean"):
            check_names(wrong, VARIANTS, scenarios)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"matrices": (Matrix((f"{NAMES[1]}[thread=4]",), ("hello",)),)}, "setting of flask-gunicorn"),
        ({"matrices": (Matrix(("flask[threads=4]",), ("hello",)),)}, "did you mean"),
        ({"matrices": (Matrix((f"{NAMES[1]}@python3.12",), ("helo",)),)}, "did you mean hello"),
        ({"own_loads": {"helo": (Load("closed", 1),)}}, "did you mean hello"),
        ({"loads": (), "own_loads": {"hello": (Load("closed", 1),)}}, "has no load for history"),
    ],
)
def test_a_matrix_or_load_for_what_there_is_not_is_told(changes: dict[str, object], says: str) -> None:
    """Settings, variants and scenarios of matrices and of loads are checked before anything starts."""
    with pytest.raises(UsageError, match=f"(?s){says}"):
        check_names(suite(**changes), VARIANTS, {"hello": None, "history": None})


@pytest.mark.parametrize("path", find_suites(ROOT / "scenarios/suites").values(), ids=lambda path: path.stem)
def test_the_suites_that_come_with_it_can_be_read(path: Path) -> None:
    """Every suite of the project names variants and scenarios that there are."""
    read = load_suite(path)
    assert {*read.scenarios, *read.twins} <= {file.stem for file in (ROOT / "scenarios").glob("*.py")}
    there = {file.parent.name: synthetic.variant("x") for file in (ROOT / "apps").glob("*/variant.toml")}
    assert set(map(base_of, with_found(read, there).rows)) <= there.keys()


def test_the_articles_suite_forgets_no_scenario() -> None:
    """A file that is added to `scenarios/` is in the suite that has them all, or this test says so."""
    assert sorted(load_suite(ROOT / "scenarios/suites/article.toml").scenarios) == sorted(
        file.stem for file in (ROOT / "scenarios").glob("*.py")
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("blocks = 0", "blocks: .*greater than"),
        ("blocks = 'x'", "blocks: .*not 'x'"),
        ("blocks = 2\nblock = 2", "block: is not a key\n.*did you mean blocks"),
        ("block = 2", "block: is not a key"),
        ("", "blocks: is missing\n.*add it"),
        ("blocks = ", "can't be read"),
    ],
)
def test_a_mistake_in_a_suite_is_told_with_its_place(tmp_path: Path, line: str, says: str) -> None:
    """File, key and remedy; an unknown key comes before the key that is missing because of it."""
    path = tmp_path / "mine.toml"
    head = 'title = ""\nvariants = ["a"]\nscenarios = ["b"]\nwindow_s = 1\nwarmup_s = 0\n'
    path.write_text(f'{head}{line}\n[[load]]\nprofile = "closed"\nusers = 1\n')
    with pytest.raises(UsageError, match=f"(?s)mine.toml: .*{says}"):
        load_suite(path)


def test_an_estimate_grows_with_what_is_to_be_done() -> None:
    """The estimate counts every trial's phases, and what comes before the first."""
    stage = lay_out(suite(), VARIANTS, SCENARIOS, 1)
    one = replace(suite(), timing=Timing(3, 8))
    whole = estimate_s(stage, one)
    assert whole > len(stage.trials) * 11
    longer = replace(one, timing=Timing(3, 10))
    assert estimate_s(stage, longer) == pytest.approx(whole + 2 * len(stage.trials))
    assert estimate_s(Stage("first", ()), one) >= 0


def test_a_pattern_stands_for_the_variants_that_fit_it() -> None:
    """Each once, in the order of patterns; a null SUT only where it is named itself."""
    known = {**VARIANTS, "null": replace(synthetic.variant("null"), framework="none")}
    assert set(with_found(suite(variants=("*",)), known).variants) == set(NAMES)
    assert with_found(suite(variants=("f*", "null", "flask-gunicorn")), known).variants == (
        "fastapi-uvicorn",
        "flask-gunicorn",
        "null",
    )
    with pytest.raises(UsageError, match="no variant fits 'fastapy\\*'"):
        with_found(suite(variants=("fastapy*",)), known)


def test_an_estimate_counts_the_stages_that_follow() -> None:
    """Equal load repeats the closed trials; a search for capacity has many more trials than its first."""
    one = suite()
    stage = lay_out(one, VARIANTS, SCENARIOS, 1)
    alone = estimate_s(stage, one)
    again = estimate_s(stage, replace(one, equal_load=0.5, own_shares=(0.5, 0.8)))
    each_s = TRIAL_OVERHEAD_S + one.timing.warmup_s + one.timing.window_s
    assert again == pytest.approx(alone + 3 * each_s * len(stage.trials))
    searched = replace(one, loads=(Load("capacity", 100, 1000.0, slo_ms=150.0),), own_loads={})
    probes = lay_out(searched, VARIANTS, SCENARIOS, 1)
    assert estimate_s(probes, searched) > 10 * each_s * len(probes.trials)


def test_of_a_search_for_capacity_only_the_first_probes_are_laid_out() -> None:
    """One of each variant in the first block, at the rate where it begins."""
    searched = replace(suite(), loads=(Load("capacity", 100, 400.0, slo_ms=150.0),), own_loads={})
    trials = lay_out(searched, VARIANTS, SCENARIOS, 1).trials
    assert {trial.block for trial in trials} == {1}
    assert {trial.cell.load.rate_per_s for trial in trials} == {400.0}


def test_the_suite_of_scaling_says_how_long_it_takes() -> None:
    """Its title's minutes are the estimate's, and users go from 1 to 4000."""
    read = load_suite(ROOT / "scenarios/suites/scaling.toml")
    found = Project(ROOT).variants()
    variants = named(read.rows, found) | {"null": synthetic.variant("null")}
    stage = lay_out(read, variants, find_scenarios(ROOT / "scenarios"), 1)
    minutes = estimate_s(stage, read) / 60
    (told,) = re.findall(r"about (\d+) minutes", read.title)
    assert int(told) == round(minutes) < 30
    assert {load.users for load in read.loads_of("hello")} == {1, 4, 16, 64, 250, 1000, 4000}
