"""The load generator as an instrument, against servers whose times are known."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from generators import Driven, answered, drive, finish, join, part, read, serving, start, told, wait_for

from harness.ground.histogram import index_of
from harness.ground.model import Load, Scenario, Timing

pytestmark = [pytest.mark.slow, pytest.mark.alone]
HELLO_AGAIN = "class Mine(BenchUser):\n    @task\n    def hello(self):\n        self.client.get('/json')\n"
WALK = """
from locust import SequentialTaskSet, TaskSet

class Walk(SequentialTaskSet):
    @task
    def one(self):
        self.client.get("/json")
    @task
    class Inner(TaskSet):
        @task
        def two(self):
            self.client.get("/json")
            self.interrupt()

class Walker(BenchUser):
    tasks = [Walk]
"""
FEW = Load("closed", 6)
QUICK = Timing(warmup_s=0.5, window_s=2.0, drain_s=5.0, barrier_s=15.0)


def test_every_percentile_of_a_known_distribution(tmp_path: Path) -> None:
    """Against known service times each percentile is right within 1 % + 1 ms."""
    with serving(tmp_path, "plateaus") as base_url:
        driven = drive(tmp_path / "g", base_url, Load("closed", 40), Timing(1.0, 6.0))
    assert driven.told.load.errors == 0
    for percent, due_ms in ((25, 10), (70, 20), (95, 50), (99.5, 200)):
        found = driven.response.percentile_ms(percent)
        assert found is not None
        assert due_ms <= found <= due_ms * 1.01 + 1, (percent, found)


def test_a_stall_counts_from_the_intended_send(tmp_path: Path) -> None:
    """Open load sees a stall of 2 s in 20 s as arithmetic says; service time sees it once a connection.

    Of the requests intended in the stall one that comes x before its end waits x, so the share of all
    that waits longer than x is (2 - x) / 20. Below the 97th percentile the server's own catching up, some
    10 ms and more, is a great part of 2 % of the wait. How long it really stopped the server tells.
    """
    users = 50
    load = Load("rate", users, 100.0, arrivals="constant")
    with serving(tmp_path, "stall", "8", "2") as base_url:
        driven = drive(tmp_path / "g", base_url, load, Timing(1.0, 20.0))
        stalled_ms = 1000 * told(base_url, "stalled")
    assert stalled_ms >= 2000
    assert driven.told.load.errors == 0
    assert driven.told.load.requests == pytest.approx(20 * 100, abs=20)  # an edge may be late by 0.1 s
    for percent in (97, 98, 99, 99.5):
        due_ms = stalled_ms - 20_000 * (1 - percent / 100)
        found = driven.response.percentile_ms(percent)
        assert found == pytest.approx(due_ms, rel=0.02), percent
    stalled = sum(count for index, count in driven.service.nonzero() if index > index_of(1_000_000))
    assert stalled == users
    busy_ns = driven.told.load.in_flight_ns + driven.told.load.thinking_ns
    assert busy_ns / (users * 20e9) == pytest.approx(1, abs=0.01)
    lag = driven.told.load.lag
    assert lag is not None
    assert lag.idle_p99_ns < 500_000_000  # users who wait in the stall are not idle


def test_think_time_and_waiting_fill_the_window(tmp_path: Path) -> None:
    """With think time, also where it outlasts the window, waiting and thinking add up to users x window.

    That is Little's law of time. Some 800 pauses are drawn, whose mean chance moves by 4 %.
    """
    users = 200
    load = Load("closed", users, think_s=0.5)
    with serving(tmp_path, "plateaus") as base_url:
        driven = drive(tmp_path / "g", base_url, load, QUICK)
    found = driven.told.load
    assert (found.in_flight_ns + found.thinking_ns) / (users * 2e9) == pytest.approx(1, abs=0.01)
    assert found.thinking_ns / found.requests == pytest.approx(0.5e9, rel=0.15)


@pytest.mark.parametrize("processes", [1, 2])
def test_what_is_sent_is_what_arrives(tmp_path: Path, processes: int) -> None:
    """The server's own count is the generator's, and both kernels', with one process and with two."""
    users = 41
    with serving(tmp_path, "plateaus") as base_url:
        driven = drive(tmp_path / "g", base_url, Load("closed", users), QUICK, processes=processes)
        arrived = answered(base_url)
    load = driven.told.load
    assert driven.exit == 0
    assert load.sent == arrived + users  # each user's greeting goes to /healthz
    assert load.delivered == load.sent
    assert load.users == load.users_served == load.connections_opened == users
    assert driven.response.total == load.requests
    assert {window.process for window in driven.told.watch} == set(range(processes))
    assert sum(1 for event in driven.events if event["event"] == "second") >= 2


STRAY = """
from locust import task
from harness.loadgen.user import BenchUser

class Stray(BenchUser):
    @task
    def ask(self):
        self.client._connection._socket.send(b"\\r\\n")  # what servers pass over before a request
        self.client.get("/json")
"""


def test_what_was_sent_beside_the_count_is_found(tmp_path: Path) -> None:
    """What is sent and not counted, as hidden retries would be, is found by the kernel."""
    (tmp_path / "stray.py").write_text(STRAY)
    scenario = Scenario("stray", str(tmp_path / "stray.py"))
    with serving(tmp_path, "plateaus") as base_url:
        load = drive(tmp_path / "g", base_url, Load("closed", 5), QUICK, scenario=scenario).told.load
    assert load.errors == 0
    assert load.delivered is not None
    assert load.delivered > 1.5 * load.sent


def workers_of(child: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the worker processes of a master."""
    return psutil.Process(child.pid).children(recursive=True)


def in_window(folder: Path) -> bool:
    """Tell whether the window has opened."""
    return any(event["event"] == "second" and event["second"] == 0 for event in read(folder).events)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_lost_worker_is_told(tmp_path: Path, number: signal.Signals) -> None:
    """A worker that is killed or stopped in the window fails the trial, which tells how many are lost."""
    folder = tmp_path / "g"
    timing = Timing(0.5, 12.0, drain_s=2.0, barrier_s=15.0)
    with serving(tmp_path, "plateaus") as base_url:
        child = start(folder, base_url, Load("closed", 20), timing, processes=2)
        try:
            wait_for(lambda: in_window(folder))
            workers_of(child)[0].send_signal(number)
            wait_for(lambda: any(event["event"] == "failed" for event in read(folder).events))
        finally:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
    (failed,) = (event for event in read(folder).events if event["event"] == "failed")
    assert failed["why"] == "1 of 2 workers of the load generator are lost"
    assert failed["workers_lost"] == 1
    assert read(folder).record is None


def has_ended(worker: psutil.Process) -> bool:
    """Tell whether a process is over, even where the one that inherited it has not looked at it yet."""
    try:
        return bool(worker.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_workers_do_not_outlive_their_master(tmp_path: Path) -> None:
    """Workers whose master is killed end within 5 s."""
    folder = tmp_path / "g"
    with serving(tmp_path, "plateaus") as base_url:
        child = start(folder, base_url, Load("closed", 20), Timing(0.5, 30.0), processes=2)
        wait_for(lambda: in_window(folder))
        workers = workers_of(child)
        child.kill()
        _gone, left = psutil.wait_procs(workers, timeout=5.5)
        alive = [worker for worker in left if not has_ended(worker)]
        for worker in alive:
            worker.kill()
        child.communicate()
    assert len(workers) == 2
    assert not alive


def scenario(folder: Path, text: str) -> Scenario:
    """Return a scenario of these lines."""
    path = folder / "mine.py"
    path.write_text(f"from locust import task\nfrom harness.loadgen.user import BenchUser\n{text}")
    return Scenario("mine", str(path))


@pytest.mark.parametrize(("processes", "name"), [(1, "conductor.write_log"), (2, "ensemble.Watch")])
def test_what_breaks_is_told_at_once(tmp_path: Path, processes: int, name: str) -> None:
    """Where a process's end or a worker's window breaks, the trial fails at once, with the reason."""
    module = f"harness.loadgen.{name.partition('.')[0]}"
    mine = scenario(tmp_path, f"import {module}\nharness.loadgen.{name} = None\n{HELLO_AGAIN}")
    driven = fail(tmp_path, mine, processes)
    assert why(driven) == "the load generator failed: TypeError: 'NoneType' object is not callable"


def test_a_user_that_cannot_start_is_told_at_once(tmp_path: Path) -> None:
    """What `on_start` raises fails the trial at once, with its place: the barrier would never open."""
    text = "class Mine(BenchUser):\n    def on_start(self):\n        {}['token']\n"
    driven = fail(tmp_path, scenario(tmp_path, text))
    assert why(driven) == f"a user could not start: KeyError: 'token' ({tmp_path.name}/mine.py:5 in on_start)"


def test_task_sets_follow_no_rate(tmp_path: Path) -> None:
    """A scenario with task sets is refused a schedule, at once, rather than measured without it."""
    driven = fail(tmp_path, scenario(tmp_path, WALK), load=Load("rate", 6, 10.0))
    assert "a scenario with task sets can't follow a rate: use plain tasks" in why(driven)


def test_task_sets_end_with_the_window(tmp_path: Path) -> None:
    """Users of task sets, nested ones too, loop from the barrier to the window's end and no further."""
    folder = tmp_path / "g"
    timing = Timing(0.2, 0.8, drain_s=5.0, barrier_s=15.0)
    with serving(tmp_path, "plateaus") as base_url:
        mine = scenario(tmp_path, WALK)
        driven = finish(start(folder, base_url, Load("closed", 10), timing, scenario=mine), folder)
        arrived = answered(base_url)
    load = driven.told.load
    assert (load.censored, load.errors, load.mistakes) == (0, 0, ())
    assert load.sent == arrived + 10
    assert driven.told.phases.drained_ns - driven.told.phases.window_end_ns < 0.5e9


def test_users_who_end_while_the_watch_does_are_counted_once(tmp_path: Path) -> None:
    """A user of a schedule who wakes after the window and closes its connection is counted no second time."""
    text = (
        "import gevent\nfrom harness.loadgen import ensemble\nclass Slow(ensemble.Watch):\n"
        "    def run(self):\n        super().run()\n        gevent.sleep(0.5)\nensemble.Watch = Slow\n"
    )
    folder, load = tmp_path / "g", Load("rate", 6, 30.0, arrivals="constant")
    with serving(tmp_path, "plateaus") as base_url:
        mine = scenario(tmp_path, text + HELLO_AGAIN)
        found = finish(start(folder, base_url, load, QUICK, scenario=mine), folder).told.load
    assert found.requests > 0
    assert found.delivered == found.sent


def fail(folder: Path, mine: Scenario, processes: int = 1, load: Load = FEW) -> Driven:
    """Drive a scenario that can't come to its end; the phases' own bounds are far away."""
    timing = Timing(0.2, 1.0, drain_s=30.0, barrier_s=30.0)
    with serving(folder, "plateaus") as base_url:
        child = start(folder / "g", base_url, load, timing, processes=processes, scenario=mine)
        return finish(child, folder / "g", within_s=28)


def why(driven: Driven) -> str:
    """Return why a trial failed."""
    assert driven.record is None
    assert driven.events[-1]["event"] == "failed", driven.events
    return str(driven.events[-1]["why"])


@pytest.fixture
def two_hosts() -> Iterator[tuple[str, ...]]:
    """Make two hosts out of network namespaces; this one is 10.201.N.1 to each."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    names = tuple(f"webdyno-test-{os.getpid()}-{number}" for number in (1, 2))
    try:
        for number, name in enumerate(names, 1):
            outside = f"wdt{os.getpid() % 10000}-{number}"
            for line in (
                f"netns add {name}",
                f"link add {outside} type veth peer name eth0 netns {name}",
                f"addr add 10.201.{number}.1/24 dev {outside}",
                f"link set {outside} up",
                f"-n {name} addr add 10.201.{number}.2/24 dev eth0",
                f"-n {name} link set eth0 up",
                f"-n {name} link set lo up",
                f"-n {name} route add default via 10.201.{number}.1",
            ):
                subprocess.run(("ip", *line.split()), check=True)
        yield names
    finally:
        for name in names:
            subprocess.run(("ip", "netns", "del", name), check=False)


def test_two_hosts_count_as_one(tmp_path: Path, two_hosts: tuple[str, ...]) -> None:
    """A master here, a worker started by hand on each of two hosts, whose clocks have nothing in common."""
    users, folder = 30, tmp_path / "master"
    more = ("--master", "--master-bind-host", "0.0.0.0", "--expect-workers", "2")
    with serving(tmp_path, "plateaus", host="10.201.1.1") as base_url:
        master = start(folder, base_url, Load("closed", users), QUICK, more=more)
        workers = [
            join(
                f"10.201.{number}.1",
                prefix=(
                    *("ip", "netns", "exec", name),
                    *("unshare", "--time", "--monotonic", str(number * 100_000), "--fork", "--kill-child"),
                ),
            )
            for number, name in enumerate(two_hosts, 1)
        ]
        driven = finish(master, folder)
        for worker in workers:
            part(worker)
        arrived = answered(base_url)
    found, phases = driven.told.load, driven.told.phases
    assert found.sent == arrived + users
    assert found.users == found.users_served == users
    assert {window.process for window in driven.told.watch} == {0, 1}
    for window in driven.told.watch:
        assert abs(window.start_ns - phases.window_start_ns) < 0.2e9
        assert abs(window.end_ns - phases.window_end_ns) < 0.2e9
    assert phases.window_end_ns <= phases.drained_ns < phases.window_end_ns + 3e9


def test_mistakes_of_a_scenario_are_in_the_record(tmp_path: Path) -> None:
    """What a scenario's own code raises is counted by type and place, shown once, and stops nobody."""
    text = (
        "class Mine(BenchUser):\n"
        "    @task(20)\n"
        "    def good(self):\n"
        "        self.client.get('/json')\n"
        "    @task\n"
        "    def bad(self):\n"
        "        {}[self.place]\n"
    )
    folder = tmp_path / "g"
    with serving(tmp_path, "plateaus") as base_url:
        mine = scenario(tmp_path, text)
        child = start(folder, base_url, Load("closed", 20), QUICK, scenario=mine)
        driven = finish(child, folder)
    (mistake,) = driven.told.load.mistakes
    assert mistake.place == f"{tmp_path.name}/mine.py:9 in bad"
    assert mistake.words.startswith("KeyError: ")
    assert mistake.count > 10
    assert driven.told.load.errors == 0
    assert driven.told.load.users_served == 20
    assert driven.output.count("Traceback") == 1


def test_the_barrier_tells_who_is_missing(tmp_path: Path) -> None:
    """Where nobody answers, the trial fails within the barrier's bound, with the number of users."""
    began = time.monotonic()
    timing = Timing(0.5, 1.0, barrier_s=2.0)
    driven = drive(tmp_path / "g", "http://127.0.0.1:9", Load("closed", 5), timing)
    assert time.monotonic() - began < 15
    assert driven.record is None
    (failed,) = driven.events
    assert "5 of 5 users had no answer" in str(failed["why"])
