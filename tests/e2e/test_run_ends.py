"""However a run ends, nothing of it is left, nothing measured is lost, and it can be finished."""

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from parties import as_root, kill, until
from running import APPS, LEFT_WITHIN_S, ROOT, Command, Home, row_of, was_measured
from served import free_port

from harness.lifecycle.sut import is_free
from harness.lifecycle.verify import failures, verify
from harness.records.contract import load_cases

pytestmark = [as_root, pytest.mark.slow]
STEPS: tuple[Callable[[Home, Command], object], ...] = (
    lambda _home, _command: True,
    lambda _home, command: command.said("verifying"),
    lambda home, _command: home.folders(),
    lambda home, _command: len(home.trials()) == 1,
    lambda home, _command: len(home.trials()) == 2,
)
"""How far a run has come; from each a trial takes longer than SOON_S."""
SOON_S = 1.5


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Return a project of its own."""
    home = Home(tmp_path / "home")
    yield home
    kill(home.processes())


@pytest.mark.timeout(900)
def test_nothing_outlives_a_kill_at_any_moment(tmp_path: Path) -> None:
    """After kill -9 at ten random moments load ends in 5 s, all else in 10, and resume finishes the run."""
    moment = random.Random(20261124)
    found = [
        _kill_and_finish(Home(tmp_path / f"home{number}"), reached, moment.uniform(0, SOON_S))
        for number, reached in enumerate(STEPS * 2)
    ]
    assert {"absent", "0 of 2", "1 of 2"} <= set(found), found  # the moments were spread over the run


def _kill_and_finish(home: Home, reached: Callable[[Home, Command], object], after_s: float) -> str:
    with home.run() as command:
        assert until(lambda: reached(home, command) or command.child.poll() is not None)
        time.sleep(after_s)
        command.child.kill()
        command.child.wait()
        assert until(lambda: not home.generators(), bound_s=5), (after_s, home.generators())
        pids = {command.child.pid}
        assert until(lambda: not home.left(pids), bound_s=LEFT_WITHIN_S), (after_s, home.left(pids))
    return _finish(home)


def _finish(home: Home) -> str:
    """See what a killed run has left in the store, resume it, and return what there was."""
    if not home.folders():
        assert "no run yet" in home.do("list").output
        return "absent"
    kept, run = home.trials(), home.folders()[-1].name
    row = row_of(home.do("list", "--json"), run)
    if row["state"] == "sealed":
        return "sealed"
    assert (row["trials"], row["planned"]) == (len(kept), 2)
    resumed = home.do("resume", run, "--yes")
    assert was_measured(home, resumed), resumed
    assert resumed.output.count("block ") == 2 - len(kept)  # a line for each trial that was done
    now = home.trials()
    assert len(now) == 2
    assert kept.items() <= now.items()  # not one byte of those that were there
    assert row_of(home.do("list", "--json"), run)["state"] == "sealed"
    return f"{len(kept)} of 2"


@pytest.mark.parametrize(
    "numbers",
    [[signal.SIGINT], [signal.SIGINT, signal.SIGINT], [signal.SIGTERM], [signal.SIGHUP]],
    ids=["Ctrl-C", "Ctrl-C twice", "SIGTERM", "SIGHUP"],
)
def test_a_polite_end_keeps_what_was_measured(home: Home, numbers: list[signal.Signals]) -> None:
    """Ctrl-C once or twice, SIGTERM or SIGHUP ends a run with 130, what is kept told, and nothing left."""
    with home.run() as command:
        command.await_said("trial 1/2")
        command.await_load()
        for number in numbers:
            command.signal(number)
            time.sleep(0.05)
        ended = command.end()
    assert ended.status == 130, ended
    run = home.folders()[-1].name
    assert f"ended by {numbers[0].name}; 1 of 2 trials are kept" in ended.complaint
    assert f"webdyno resume {run}" in ended.complaint
    kept = home.trials()
    assert list(kept) == ["001"]
    if len(numbers) > 1:
        shown = home.do("show")
        assert (shown.status, "1 of 2 trials are missing (2)" in shown.output) == (0, True), shown
        resumed = home.do("resume", "--yes")
        assert was_measured(home, resumed), resumed
        assert len(home.trials()) == 2
        assert kept.items() <= home.trials().items()
        again = home.do("resume", "--yes")
        assert (again.status, "complete and sealed" in again.complaint) == (2, True), again


def test_a_killed_generator_spoils_its_trial_alone(home: Home) -> None:
    """A generator that is killed in the window fails that trial, told with its reason; the run goes on."""
    with home.run("--blocks", "2") as command:
        command.await_load()
        kill(home.generators())
        ended = command.end()
    assert ended.status in (0, 4), ended  # on a busy machine the other block's trial is invalid, too
    assert "the generator ended with status -9" in ended.output
    other = json.loads((home.folders()[-1] / "trials/002/trial.json").read_bytes())
    assert other["failure"] is None
    assert other["load"]["requests"] > 0
    failed = json.loads((home.folders()[-1] / "trials/001/trial.json").read_bytes())
    assert "the generator ended with status -9" in failed["failure"]
    assert failed["load"] is None


def test_a_killed_sut_is_told_as_crashed(home: Home) -> None:
    """A SUT that is killed in the window: `sut-crashed` for its trial, and 4 where its cell has no other."""
    with home.run("--blocks", "1") as command:
        command.await_load()
        kill(home.suts())
        ended = command.end()
    assert ended.status == 4, ended
    assert "invalid: sut-crashed, the SUT ended with status -9 under load" in ended.output
    assert "no valid trial of hello · plain" in ended.complaint


def test_a_full_disk_ends_the_run_with_what_is_kept(home: Home) -> None:
    """A disk that fills up while a run goes on ends it with 3 before the next trial; resume goes on."""
    disk = home.folder / "results"
    disk.mkdir()
    mounted = os.system(f"mount -t tmpfs -o size=80m webdyno-test {disk}") == 0
    if not mounted:
        pytest.skip("file systems can't be mounted here")
    try:
        with home.run() as command:
            command.await_load()
            (disk / "ballast").write_bytes(bytes(30 << 20))
            ended = command.end()
        assert ended.status == 3, ended
        assert "are needed for the next trial; 1 of 2 trials are kept" in ended.complaint
        assert list(home.trials()) == ["001"]
        (disk / "ballast").unlink()
        resumed = home.do("resume", "--yes")
        assert was_measured(home, resumed), resumed
        assert len(home.trials()) == 2
    finally:
        assert os.system(f"umount {disk}") == 0


def test_a_log_without_end_fills_no_disk(home: Home) -> None:
    """A variant that never ceases to write into its log is measured all the same; that ends at its bound."""
    home.suite(variants='["wordy"]', blocks="1")
    folder = home.folder / "apps/wordy"
    folder.mkdir()
    without_end = "while :; do yes 2>&1; sleep 0.1; done"
    words = f"{without_end} & exec python -B {APPS / 'server.py'} --port {{port}}"
    (folder / "variant.toml").write_text(
        'framework = "x"\nserver = "x"\ninterface = "x"\nconcurrency = "x"\n'
        f'start = ["sh", "-c", "{words}"]\n'
    )
    with home.run() as command:
        ended = command.end()
    assert was_measured(home, ended), ended
    (log,) = home.results.glob("*/trials/001/sut.log")
    assert log.stat().st_size == 32 << 20


def test_clean_collects_what_a_run_and_its_reaper_left(home: Home, tmp_path: Path) -> None:
    """`webdyno clean` ends all that a killed run without a reaper left, and touches none that goes on."""
    home.environment["WEBDYNO_DOCKER"] = "off"  # an engine here has others' images, too
    other = Home(tmp_path / "other")
    for name in ("WEBDYNO_DOCKER", "WEBDYNO_LOCK", "WEBDYNO_STATE"):
        other.environment[name] = home.environment[name]
    home.suite(window_s="20")  # its first trial goes on while others look
    with home.run() as command:
        command.await_load()
        refused = other.do("clean")
        assert (refused.status, f"(pid {command.child.pid})" in refused.complaint) == (3, True), refused
        assert home.suts()
        kill([*home.reapers(), command.child.pid])
        command.child.wait()
        left = home.left({command.child.pid})
        assert all(word in str(left) for word in ("process", "/sys/fs/cgroup", "journal")), left
        cleaned = other.do("clean")
        assert (cleaned.status, "nothing of a run is left" in cleaned.output) == (0, True), cleaned
        assert home.left({command.child.pid}) == []


def test_serve_until_ctrl_c(home: Home, tmp_path: Path) -> None:
    """`webdyno serve` keeps the whole contract on its port until Ctrl-C; then the port is free again."""
    port = free_port()
    arguments = ("serve", "flask-gunicorn", "--port", str(port), "--apps", str(ROOT / "apps"), "--yes")
    with home.start(*arguments) as command:
        command.await_said(f"serves http://127.0.0.1:{port}")
        # Of its services' secrets only the password is told, so cases that need a token can't be asked.
        asked = [case for case in load_cases(ROOT / "apps/contract") if not case.without]
        cases = verify(f"http://127.0.0.1:{port}", asked, services=("postgres", "classifier"))
        assert not failures(cases)
        assert sum(case.passed is True for case in cases) > 100
        taken = Home(tmp_path / "other").do(*arguments)
        assert (taken.status, f"port {port} is in use" in taken.complaint) == (3, True), taken
        command.signal(signal.SIGINT)
        ended = command.end()
    assert ended.status == 0, ended
    assert is_free(port)
