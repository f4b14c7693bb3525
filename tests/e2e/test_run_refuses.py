"""Bad input and unfit machines: one message of what, where and what to do, and nothing is lost."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from parties import as_root
from running import APPS, Home, was_measured

pytestmark = [as_root, pytest.mark.slow]
RUN = ("run", "--suite", "tiny.toml", "--apps", str(APPS), "--yes")


@dataclass(frozen=True, slots=True)
class Case:
    """What a user asks for, and what the answer has to say."""

    name: str
    arguments: tuple[str, ...]
    status: int
    says: tuple[str, ...]
    before: Callable[[Home], object] = lambda _home: None


def _key(home: Home, old: str, new: str) -> None:
    path = home.folder / "tiny.toml"
    path.write_text(path.read_text().replace(old, new))


def _variant(home: Home, text: str) -> None:
    folder = home.folder / "apps/mine"
    folder.mkdir()
    old, _, new = text.partition("→")
    (folder / "variant.toml").write_text((APPS / "plain/variant.toml").read_text().replace(old, new))


CASES = [
    Case("a wrong flag", ("run", "--sute", "smoke"), 2, ("--sute", "--suite")),
    Case("a wrong command", ("rnu",), 2, ("no command 'rnu'", "did you mean run?")),
    Case("a wrong value", ("run", "--users", "none"), 2, ("--users", "none")),
    Case("no users", ("run", "--users", "0"), 2, ("--users", "1")),
    Case("a time that is none", ("run", "--seconds", "nan"), 2, ("--seconds", "'nan' is no time")),
    Case("a suite's time that is none", RUN, 2, ("window_s", "nan"), lambda h: _key(h, "_s = 1", "_s = nan")),
    Case("a wrong size", ("run", "--memory", "5q"), 2, ("5q",)),
    Case("more CPUs than there are", (*RUN, "--cpus", "999"), 2, ("999",)),
    Case("a wrong backend", ("run", "--backend", "dokcer"), 2, ("--backend", "cgroup")),
    Case("a wrong variant", (*RUN, "--variant", "plian"), 2, ("no variant 'plian'", "did you mean plain?")),
    Case("a wrong scenario", (*RUN, "--scenario", "helo"), 2, ("no scenario 'helo'", "did you mean hello?")),
    Case("a wrong suite", ("run", "--suite", "smok"), 2, ("no suite 'smok'", "did you mean smoke?")),
    Case("no such suite file", ("run", "--suite", "no.toml"), 2, ("no.toml", "can't be read")),
    Case("a suite's key", RUN, 2, ("block", "did you mean blocks?"), lambda h: _key(h, "blocks", "block")),
    Case("a load's key", RUN, 2, ("usres", "did you mean users?"), lambda h: _key(h, "users", "usres")),
    Case("a suite's value", RUN, 2, ("blocks", "greater than"), lambda h: _key(h, "s = 2\n", "s = 0\n")),
    Case("a suite's grammar", RUN, 2, ("tiny.toml", "line"), lambda h: _key(h, "blocks = 2", "blocks 2")),
    Case(
        "a variant's key",
        RUN,
        2,
        ("variant.toml: sever", "did you mean server?"),
        lambda home: _variant(home, "server =→sever ="),
    ),
    Case(
        "a variant's placeholder",
        RUN,
        2,
        ("variant.toml: start", "prot"),
        lambda home: _variant(home, "{port}→{prot}"),
    ),
    Case("a missing folder", (*RUN, "--apps", "nowhere"), 2, ("nowhere", "no such apps folder")),
    Case("nobody agrees", RUN[:-1], 2, ("server.py", "--yes")),
    Case("no run yet", ("show",), 2, ("no run yet", "webdyno run")),
    Case("no such run", ("show", "20260101-000000-x"), 2, ("no run '20260101-000000-x'",)),
    Case("a path for a run", ("resume", "../../etc"), 2, ("no run '../../etc'",)),
    Case("a wrong format", ("report", "--format", "pdf"), 2, ("pdf", "html")),
    Case(
        "results that are a file",
        RUN,
        3,
        ("results: can't be written", "--results"),
        lambda home: home.results.write_text(""),
    ),
    Case(
        "a variant that does not start",
        (*RUN, "--variant", "unstartable"),
        4,
        ("unstartable: ended with status 1", "variant.toml", "no: the configuration is broken"),
    ),
    Case(
        "a variant that breaks the contract",
        (*RUN, "--variant", "wrong"),
        4,
        ("wrong: does not keep", "'Hello, World!' due, 'Hello, Word!' seen", "webdyno verify wrong"),
    ),
    Case("a gate", ("verify", "wrong", "--apps", str(APPS), "--yes"), 1, ("wrong",)),
]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a project of its own."""
    return Home(tmp_path / "home")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_is_told_in_one_message(home: Home, case: Case) -> None:
    """What is wrong, where, and what to do; the design's exit code; no traceback; no run begun."""
    case.before(home)
    ended = home.do(*case.arguments)
    assert ended.status == case.status, ended
    for phrase in case.says:
        assert phrase in ended.complaint, ended.complaint
    assert sum(line.startswith("webdyno: ") for line in ended.complaint.splitlines()) == 1, ended.complaint
    assert not home.folders()


@pytest.fixture
def disk(home: Home, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Mount a small file system at the results folder, with the options that are asked for."""
    home.results.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", request.param, "webdyno-test", str(home.results))
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("file systems can't be mounted here")
    yield home.results
    subprocess.run(("umount", str(home.results)), check=True)


@pytest.mark.parametrize(
    ("disk", "says"),
    [("size=1m", "are needed for the next trial"), ("ro,size=99m", "Read-only file system")],
    ids=["full", "read-only"],
    indirect=["disk"],
)
def test_a_disk_that_takes_nothing(home: Home, disk: Path, says: str) -> None:
    """No room, or no right to write, at the results folder: 3, before anything is started."""
    ended = home.do(*RUN)
    assert ended.status == 3, ended
    assert says in ended.complaint
    assert str(disk) in ended.complaint
    assert "--results" in ended.complaint
    assert "verifying" not in ended.output


def test_too_few_descriptors(home: Home) -> None:
    """A limit of 64 open files with 1000 users: 3, and the limit that is needed."""
    command = ("/bin/sh", "-c", 'ulimit -n 64; exec "$@"', "sh", sys.executable, "-m", "harness", *RUN)
    ended = subprocess.run(
        (*command, "--users", "1000"),
        cwd=home.folder,
        env=home.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3, ended
    assert "64 open files are allowed; 1000 users need 1256" in ended.stderr
    assert "ulimit -n 1256" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_second_run_names_the_first(home: Home) -> None:
    """While a run goes on another one refuses with 3, names it, and leaves it alone."""
    second = Home(home.folder.parent / "second")
    second.environment["WEBDYNO_LOCK"] = home.environment["WEBDYNO_LOCK"]
    with home.run("--blocks", "1") as first:
        first.await_said("verifying")
        refused = second.do(*RUN)
        assert refused.status == 3, refused
        assert f"another run is going on: {_holder(home)}" in refused.complaint
        assert f"(pid {first.child.pid})" in refused.complaint
        ended = first.end()
    assert was_measured(home, ended), ended


def _holder(home: Home) -> str:
    return Path(home.environment["WEBDYNO_LOCK"]).read_text().partition(" ")[0]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Return a project with one sealed run of two trials."""
    home = Home(tmp_path_factory.mktemp("measured") / "home")
    ended = home.do(*RUN, "--json")
    assert was_measured(home, ended), ended
    assert json.loads(ended.output)["suite"] == "tiny"  # one document, and nothing else
    lines = ended.complaint.splitlines()
    assert "2 trials, about" in lines[1]  # the estimate comes before all work
    assert "verifying" in lines[2]
    return home


@pytest.fixture
def sealed(measured: Home, home: Home) -> Path:
    """Return a copy of the sealed run, in a project of its own."""
    shutil.copytree(measured.results, home.results)
    return home.folders()[-1]


def test_a_sealed_run_is_not_resumed(home: Home, sealed: Path) -> None:
    """Resuming a complete run is a mistake that is told, and changes nothing."""
    before = home.trials()
    ended = home.do("resume", sealed.name)
    assert (ended.status, "complete and sealed" in ended.complaint) == (2, True), ended
    assert f"webdyno show {sealed.name}" in ended.complaint
    assert home.trials() == before


def test_a_change_of_a_sealed_run_is_told(home: Home, sealed: Path) -> None:
    """A file that is not what the manifest says is named by `show`, with 1."""
    with open(sealed / "trials/002/sut.log", "a") as log:
        log.write("changed")
    ended = home.do("show")
    assert ended.status == 1, ended
    assert "changed since it was sealed: trials/002/sut.log" in ended.complaint


@pytest.mark.parametrize("name", ["run.json", "trials/001/trial.json", "manifest.json"])
def test_damage_is_told_and_hides_no_other_run(home: Home, sealed: Path, name: str) -> None:
    """A damaged file is named with what to do; `list` still shows every other run."""
    other = sealed.parent / "20200101-000000-other"
    shutil.copytree(sealed, other)
    text = (other / "run.json").read_text().replace(sealed.name, other.name)
    (other / "run.json").write_text(text)
    shutil.rmtree(other / "trials")
    (sealed / name).write_bytes(b'{"schema": 1')
    shown = home.do("show", sealed.name)
    assert shown.status == 2, shown
    assert f"{sealed.name}/{name}" in shown.complaint
    assert "restore it from a copy" in shown.complaint
    listed = home.do("list")
    assert listed.status == 0, listed
    assert other.name in listed.output
    if name != "manifest.json":
        assert f"{sealed.name}  damaged" in listed.output


def test_a_damaged_trial_can_be_repeated(home: Home, sealed: Path) -> None:
    """What the message advises works: without the damaged trial's folder `resume` repeats that trial."""
    for name in ("manifest.json", "summary.json"):
        (sealed / name).unlink()
    (sealed / "trials/002/trial.json").write_text("{")
    told = home.do("resume", "--yes")
    assert (told.status, f"remove {sealed}/trials/002" in told.complaint) == (2, True), told
    shutil.rmtree(sealed / "trials/002")
    resumed = home.do("resume", "--yes")
    assert was_measured(home, resumed), resumed
    assert len(home.trials()) == 2


def test_a_run_whose_variant_changed_is_not_resumed(home: Home, sealed: Path) -> None:
    """Commands come from the variant that was agreed to, never from a `run.json` that says something else."""
    (sealed / "manifest.json").unlink()
    shutil.rmtree(sealed / "trials/002")
    record = sealed / "run.json"
    record.write_text(record.read_text().replace('"python"', '"touch"'))
    ended = home.do("resume", "--yes")
    assert ended.status == 2, ended
    assert "plain/variant.toml: has changed since the run began" in ended.complaint


def test_a_scenario_from_elsewhere_is_not_resumed(home: Home, sealed: Path) -> None:
    """A `run.json` that points to a scenario outside of the project never has it run: it would run as us."""
    (sealed / "manifest.json").unlink()
    shutil.rmtree(sealed / "trials/002")
    record = json.loads((sealed / "run.json").read_bytes())
    foreign = home.folder / "elsewhere/hello.py"
    foreign.parent.mkdir()
    ran = home.folder / "ran"
    source = Path(record["scenarios"][0]["path"]).read_text()
    foreign.write_text(f"{source}\nopen({str(ran)!r}, 'w')\n")
    record["scenarios"][0]["path"] = str(foreign)
    (sealed / "run.json").write_text(json.dumps(record))
    ended = home.do("resume", "--yes")
    assert (ended.status, ran.exists()) == (2, False), ended
    assert f"{foreign}: is not this project's scenario 'hello'" in ended.complaint


def test_a_complete_run_without_its_seal_is_sealed(home: Home, sealed: Path) -> None:
    """A run that ended between its last trial and its seal is sealed by `resume`, without measuring."""
    before = home.trials()
    (sealed / "manifest.json").unlink()
    assert "every trial is done" in home.do("show").output
    ended = home.do("resume")
    assert was_measured(home, ended), ended
    assert "verifying" not in ended.output
    assert (sealed / "manifest.json").exists()
    assert home.trials() == before


def test_json_is_one_document(home: Home, sealed: Path) -> None:
    """`--json` leaves standard output to one document."""
    assert json.loads(home.do("show", "--json").output)["run"] == sealed.name
    assert [row["id"] for row in json.loads(home.do("list", "--json").output)] == [sealed.name]
    assert json.loads(home.do("doctor", "--json").output)
