import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import synthetic
from synthetic import on_disk

from harness.ground.errors import EnvironmentUnfit, UsageError
from harness.records import store as store_module
from harness.records.disk import checksum, write, writing
from harness.records.run import StoredRun, encoded, read_run
from harness.records.seal import damaged_files
from harness.records.store import Results

ROOT = Path(__file__).parents[2]


@pytest.fixture
def stored(tmp_path: Path) -> StoredRun:
    """Return a small sealed run on disk."""
    whole = synthetic.run(scenarios=("hello",), blocks=1, twin=None)
    return on_disk(synthetic.with_trials(whole, *whole.trials[:2]), tmp_path)


@pytest.mark.slow
def test_a_crash_between_any_two_steps_leaves_nothing_half_written(tmp_path: Path) -> None:
    """At every step of storing a run a crash leaves it absent, incomplete with whole trials, or sealed."""
    ended = subprocess.run(
        (sys.executable, str(Path(__file__).parent / "crashes.py"), str(tmp_path)),
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/tests"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    states = [(one["state"], one["kept"]) for one in told]
    order = [("absent", 0), ("incomplete", 0), ("incomplete", 1), ("incomplete", 2), ("sealed", 2)]
    assert states == sorted(states, key=order.index)  # it only ever goes forward
    assert set(states) == set(order)
    assert len(told) > 60  # steps, not phases
    after = Counter((one["state"], one["after"]) for one in told)
    assert set(after) == {
        ("absent", "absent"),
        ("absent", "sealed"),
        ("incomplete", "sealed"),
        ("sealed", "sealed"),
    }


def test_each_cell_is_due_a_flame_graph_once(tmp_path: Path) -> None:
    """One a cell of a variant in Python is due where it was asked for, not for twins, until it is there."""
    made = synthetic.run(scenarios=("hello",), blocks=2)
    variants = tuple(replace(one, language="Node") if not i else one for i, one in enumerate(made.variants))
    asked = replace(made, record=replace(made.record, variants=variants, flame=True), folder=tmp_path)
    assert made.flames_due == ()
    due = asked.flames_due
    assert sorted(trial.cell.variant for trial in due) == sorted(one.id for one in variants[1:])
    assert not any(trial.cell.replica for trial in due)
    (tmp_path / made.id).mkdir()
    (tmp_path / "drawn.svg").write_text("<svg/>")
    Results(tmp_path).keep_flame(made.id, due[0].number, tmp_path / "drawn.svg")
    assert replace(asked, folder=tmp_path / made.id).flames_due == due[1:]


def test_no_secret_is_kept_with_a_trial(tmp_path: Path) -> None:
    """What a run must not keep is masked in a trial's record and in every log, and the rest is as it was."""
    trial = synthetic.run(scenarios=("hello",), blocks=1, twin=None).trials[0].record
    folder = tmp_path / trial.run / ".trial"
    folder.mkdir(parents=True)
    (folder.parent / "trials").mkdir()
    (folder / "sut.log").write_bytes(b"\xff it is hush; hush-hush\n")
    (folder / "generator.log").write_bytes(b"nothing\n")
    kept = Results(tmp_path).keep(replace(trial, failure="no hush"), folder, ("hush",)).folder
    assert (kept / "sut.log").read_bytes() == b"\xff it is ***; ***-***\n"
    assert (kept / "generator.log").read_bytes() == b"nothing\n"
    assert json.loads((kept / "trial.json").read_text())["failure"] == "no ***"
    assert sorted(path.name for path in kept.iterdir()) == ["generator.log", "sut.log", "trial.json"]


def test_the_manifest_covers_every_file(stored: StoredRun) -> None:
    """Every file of a sealed run but the manifest itself has its checksum in it."""
    sums = json.loads((stored.folder / "manifest.json").read_text())["sha256"]
    files = {str(path.relative_to(stored.folder)) for path in stored.folder.rglob("*") if path.is_file()}
    assert set(sums) == files - {"manifest.json"}
    assert all(checksum(stored.folder / name) == due for name, due in sums.items())
    assert not damaged_files(stored.folder)


@pytest.mark.parametrize("change", ["changed", "removed", "linked", "added"])
def test_damage_of_a_sealed_run_is_found(stored: StoredRun, tmp_path: Path, change: str) -> None:
    """A file that was changed, removed, replaced by a link, or put there later is named."""
    path = stored.folder / "trials/001/series.parquet"
    if change == "added":  # such as a whole trial, which every figure would hold
        path = stored.folder / "trials/003/trial.json"
        path.parent.mkdir()
        path.write_bytes((stored.folder / "trials/001/trial.json").read_bytes())
        assert damaged_files(stored.folder) == ("trials/003/trial.json",)
        return
    if change == "changed":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.rename(tmp_path / "elsewhere")
    if change == "linked":
        path.symlink_to(tmp_path / "elsewhere")
    assert damaged_files(stored.folder) == ("trials/001/series.parquet",)


@pytest.mark.parametrize("name", ["run.json", "trials/001/trial.json", "manifest.json"])
@pytest.mark.parametrize("damage", [b"", b'{"schema": 1', b"\xff\xfe", b"[]", b"null"])
def test_a_damaged_file_is_told_with_its_place_and_a_remedy(
    stored: StoredRun, name: str, damage: bytes
) -> None:
    """Whatever is in the file: its path, in one line what is wrong, and what to do."""
    (stored.folder / name).write_bytes(damage)
    with pytest.raises(UsageError) as told:
        damaged_files(read_run(stored.folder).folder)
    assert told.value.where.endswith(name)
    assert "\n" not in told.value.what
    assert told.value.remedy


@pytest.mark.parametrize(
    "name", ["a\0b", "a" * 5000, "trials", "../elsewhere"], ids=["NUL", "long", "folder", "outside"]
)
def test_a_name_that_no_file_of_a_run_has_is_damage(stored: StoredRun, name: str) -> None:
    """Whatever somebody wrote into the manifest is told as what does not fit, and ends nothing."""
    manifest = stored.folder / "manifest.json"
    sums = json.loads(manifest.read_text())["sha256"]
    manifest.write_text(json.dumps({"sha256": sums | {name: "0"}}))
    assert damaged_files(stored.folder) == (name,)


@pytest.mark.parametrize("sums", ["[[1, 2]]", "[" * 100_000], ids=["pairs", "deep"])
def test_a_manifest_without_checksums_is_damaged(stored: StoredRun, sums: str) -> None:
    """What is no mapping of names to checksums is told as any other damage."""
    (stored.folder / "manifest.json").write_text(f'{{"sha256": {sums}}}')
    with pytest.raises(UsageError, match="can't be read"):
        damaged_files(stored.folder)


def test_what_is_no_flame_graph_is_left_alone(stored: StoredRun) -> None:
    """Of the files in that folder those count that the harness names so; a copy beside them harms nothing."""
    (stored.folder / "flames").mkdir()
    for name in ("001.svg", "002 (copy).svg", "3-old.svg"):
        (stored.folder / "flames" / name).write_text("<svg/>")
    assert list(stored.flames) == [1]


@pytest.mark.parametrize(
    "damage", [b"", b"\xff\xfe", b"Tag=response.0,0,1,0,AAAA\n", b"Tag=response.0,0,1,0,A\n"]
)
def test_damaged_times_are_told_with_their_place_and_a_remedy(stored: StoredRun, damage: bytes) -> None:
    """Series, samples and histograms that can't be read are no traceback."""
    trial = stored.trials[0]
    reads: dict[str, Callable[[], object]] = {
        "series.parquet": trial.series,
        "samples.parquet": trial.samples,
        "latency.hlog": lambda: trial.histogram("response"),
    }
    for name, read in reads.items():
        (trial.folder / name).write_bytes(damage)
        if name == "latency.hlog" and not damage:
            continue  # nothing was answered
        with pytest.raises(UsageError, match="is damaged") as told:
            read()
        assert told.value.where.endswith(name)
        assert str(trial.folder) in told.value.remedy


@pytest.mark.parametrize(
    ("name", "key", "value", "says"),
    [
        ("trials/001/trial.json", ("load", "users"), 0, "nobody was there"),
        ("trials/001/trial.json", ("load", "requests"), 10**300, "requests is no count"),
        ("trials/001/trial.json", ("load", "errors"), -1, "errors is no count"),
        ("trials/001/trial.json", ("cell", "load", "users"), 0, "asks for nothing"),
        ("trials/001/trial.json", ("cell", "load", "rate_per_s"), -1, "asks for nothing"),
        ("trials/001/trial.json", ("phases", "window_end_ns"), 0, "no length"),
        ("trials/001/trial.json", ("cell", "load", "think_s"), float("inf"), "Infinity is no figure"),
        ("trials/001/trial.json", ("load", "requests"), 10**400, "1000.* is no figure"),
        ("run.json", ("placement", "sut_cpus"), [], "has no CPU"),
        ("run.json", ("placement", "caps", "cpus"), 0, "a cap is not above 0"),
        ("run.json", ("placement", "caps", "memory_bytes"), 0, "a cap is not above 0"),
        ("run.json", ("timing", "window_s"), float("nan"), "NaN is no figure"),
    ],
)
def test_figures_that_nothing_can_have_are_damage(
    stored: StoredRun, name: str, key: tuple[str, ...], value: object, says: str
) -> None:
    """A record by which judgement would divide by zero, or go on with what is no number, is refused."""
    path = stored.folder / name
    document = json.loads(path.read_text())
    held = document
    for each in key[:-1]:
        held = held[each]
    held[key[-1]] = value
    path.write_text(json.dumps(document))
    with pytest.raises(UsageError, match=says) as told:
        read_run(stored.folder)
    assert told.value.where.endswith(name)


@pytest.mark.parametrize("cpus", [-1.0, 0.0, 64.0])
def test_a_cap_that_no_row_can_have_had_is_damage(stored: StoredRun, cpus: float) -> None:
    """A variant's own cap lies within the run's; nothing may be judged against another."""
    capped = replace(stored.record, variants=tuple(replace(v, cpus=cpus) for v in stored.variants))
    write(stored.folder / "run.json", encoded(capped))
    with pytest.raises(UsageError, match=r"is damaged: the cap of .* is not within the run's"):
        read_run(stored.folder)


def test_a_run_of_before_rows_had_caps_is_read(stored: StoredRun) -> None:
    """Where a record knows of no own cap, the run's holds."""
    path = stored.folder / "run.json"
    document = json.loads(path.read_text())
    for one in document["variants"]:
        del one["cpus"]
    path.write_text(json.dumps(document))
    read = read_run(stored.folder)
    assert read.variants == stored.variants
    assert read.placement_of(read.variants[0].id) == read.placement_of("unknown") == read.placement


def test_a_run_of_another_schema_is_not_read(stored: StoredRun) -> None:
    """A run that a later version wrote is refused, not misread."""
    path = stored.folder / "run.json"
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 2', 1))
    with pytest.raises(UsageError, match="schema 2 where 1 was due"):
        read_run(stored.folder)


def test_a_record_that_lies_about_its_place_is_refused(stored: StoredRun) -> None:
    """A run or trial that names another folder than its own is never written to under that name."""
    path = stored.folder / "trials/001/trial.json"
    text = path.read_text()
    path.write_text(text.replace('"number": 1', '"number": 7', 1))
    with pytest.raises(UsageError, match="is of trial 7"):
        read_run(stored.folder)
    path.write_text(text)
    path = stored.folder / "run.json"
    path.write_text(path.read_text().replace(stored.id, "../../somewhere", 1))
    with pytest.raises(UsageError, match=r"is of the run '\.\./\.\./somewhere'"):
        read_run(stored.folder)


@pytest.mark.parametrize(
    "name", ["../x", "..", ".", "", "/", "latest/..", "x", "../../../etc/passwd", "20261124-120000-no"]
)
def test_what_is_no_run_is_not_found(stored: StoredRun, name: str) -> None:
    """Neither a path upwards nor a name of nothing leads anywhere."""
    with pytest.raises(UsageError, match="there is no run"):
        Results(stored.folder.parent).find(name)


def test_a_run_is_found_by_id_folder_and_as_the_latest(stored: StoredRun) -> None:
    """All three names mean the same run."""
    store = Results(stored.folder.parent)
    for name in (stored.id, str(stored.folder), f"{stored.folder}/", "latest"):
        assert store.find(name).record == stored.record


def test_no_run_yet(tmp_path: Path) -> None:
    """Without any run the message says how to get one."""
    with pytest.raises(UsageError, match="no run yet"):
        Results(tmp_path / "none").find("latest")


def test_ids_are_new(tmp_path: Path) -> None:
    """Two runs of one second get different ids, whatever their suite is called."""
    store, now = Results(tmp_path), datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
    first = store.new_id("My suite (größer)", now)
    assert store_module.RUN_ID.fullmatch(first)
    (tmp_path / first).mkdir()
    assert store.new_id("My suite (größer)", now) == f"{first}-2"
    assert store_module.RUN_ID.fullmatch(store.new_id("///", now))


def test_missing_trials_are_those_that_are_not_there(stored: StoredRun) -> None:
    """What is missing follows from the plan and the folders."""
    assert (stored.planned, stored.missing) == (2, ())
    for path in (stored.folder / "trials/001").iterdir():
        path.unlink()
    assert read_run(stored.folder).missing == (1,)


def test_a_trial_needs_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial is not begun where it would not fit, and what there is is told."""
    store = Results(tmp_path)
    store.insist_on_room()
    assert not list(tmp_path.iterdir())  # looking leaves nothing
    monkeypatch.setattr(store_module, "ROOM", 1 << 60)
    with pytest.raises(EnvironmentUnfit, match=r"are free, .* are needed for the next trial"):
        store.scratch("20261124-120000-x")


def test_other_errors_than_the_disks_pass(tmp_path: Path) -> None:
    """A mistake in the program is not dressed up as a full disk."""
    with pytest.raises(FileNotFoundError), writing(tmp_path):
        (tmp_path / "none").read_text()
    with pytest.raises(EnvironmentUnfit, match="No space left on device"), writing(tmp_path):
        raise OSError(28, "No space left on device")


def test_writing_again_replaces_a_file_at_once(tmp_path: Path) -> None:
    """A file is replaced whole; what a crash left aside is used up."""
    path = tmp_path / "file"
    (tmp_path / ".file.aside").write_text("left by a crash")
    write(path, b"one")
    write(path, b"two")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"two"


def test_two_processes_may_write_one_file(tmp_path: Path) -> None:
    """Each time it is read it is whole, one's or the other's, and neither process fails."""
    path = tmp_path / "page.html"
    program = (
        "import sys; from pathlib import Path; from harness.records.disk import write\n"
        "for _ in range(50): write(Path(sys.argv[1]), sys.argv[2].encode() * 100_000)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(path), letter]) for letter in "ab"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            data = path.read_bytes()
            seen.add((data[:1], len(data), len(set(data))))
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen <= {(b"a", 100_000, 1), (b"b", 100_000, 1)}
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]


def test_a_record_comes_back_as_it_was(stored: StoredRun) -> None:
    """Run and trial are the same after a turn over the disk."""
    whole = synthetic.run(scenarios=("hello",), blocks=1, twin=None)
    assert [t.record for t in stored.trials] == [t.record for t in whole.trials[:2]]
    assert replace(stored.record, stages=()) == replace(whole.record, stages=())
