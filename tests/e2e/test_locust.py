"""`BenchUser` is Locust's: the real `locust` command with it, against a server that counts for itself.

All processes run at once, before the first test: most of their time is a wait.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from generators import wait_for
from locust_cases import BODY, Case
from locustfiles import COUNTED, DOCUMENTED, LATE, MISTAKEN, NESTED, PLAIN, STEPS, STEPS_DUE, TAGGED
from served import free_port

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Case]]:
    """Run every case; those without a run time of their own go on until their test ends them."""
    headless = "--headless --csv out"
    port = free_port()  # Locust's own is one for all
    every = {
        "counted": Case(COUNTED, f"{headless} --json -u 8 -r 8 -t 3 --stop-timeout 2"),
        "steps": Case(STEPS, headless),
        "nested": Case(NESTED, f"{headless} -u 2 -r 2 -t 2 --stop-timeout 2"),
        "tagged": Case(TAGGED, f"{headless} -u 3 -r 3 -t 2 --stop-timeout 2 --tags wanted"),
        "processes": Case(
            PLAIN,
            f"{headless} -u 6 -r 6 -t 2 --stop-timeout 2 --processes 2"
            f" --master-bind-port {port} --master-port {port}",
        ),
        "mistaken": Case(MISTAKEN, f"{headless} -u 7 -r 7 -t 3 --exit-code-on-error 7"),
        "late": Case(LATE, f"{headless} -u 3 -r 3 -t 2 --stop-timeout 2"),
        "interrupted": Case(PLAIN, f"{headless} -u 3 -r 3"),
        "web": Case(PLAIN, f"--web-host 127.0.0.1 --web-port {free_port()}"),
    }
    assert DOCUMENTED is not None
    every["documented"] = Case(DOCUMENTED[1], f"{headless} --json -u 4 -r 4 -t 2 --stop-timeout 2")
    folder = tmp_path_factory.mktemp("locust")
    try:
        for name, case in every.items():
            case.start(folder / name)
        yield every
    finally:
        for case in every.values():
            if case.child is not None and case.child.poll() is None:
                os.killpg(case.child.pid, signal.SIGKILL)
                case.child.wait()
            case.server.shutdown()
            case.server.server_close()


def test_ctrl_c_ends_it_in_order(cases: Mapping[str, Case]) -> None:
    """SIGINT ends a headless run soon, with its tables; of each user one request may have been in flight."""
    case = cases["interrupted"]
    assert case.child is not None
    wait_for(lambda: case.server.arrived["/plain"] > 20)
    began = time.monotonic()
    case.child.send_signal(signal.SIGINT)
    assert case.end() == 0, case.log()
    assert time.monotonic() - began < 15
    assert "Response time percentiles" in case.log()
    counted, arrived = int(case.rows("stats")["GET /plain"]["Request Count"]), case.server.arrived["/plain"]
    assert arrived - 3 <= counted <= arrived


def test_the_web_ui_starts_stops_and_counts(cases: Mapping[str, Case]) -> None:
    """POST /swarm, GET /stats/requests and POST /stop do what they say; the counts are the server's."""
    case = cases["web"]
    assert case.child is not None
    base = f"http://127.0.0.1:{case.arguments.split()[-1]}"

    def ask(path: str, data: bytes | None = None) -> dict[str, Any]:
        with urlopen(base + path, data, timeout=10) as response:
            return dict(json.load(response))

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return bool(ask("/stats/requests"))
        return False

    wait_for(answers)
    form = urlencode({"user_count": 4, "spawn_rate": 4, "host": case.server.url}).encode()
    assert ask("/swarm", form)["success"]
    wait_for(lambda: case.server.arrived["/plain"] > 100)
    wait_for(lambda: ask("/stats/requests")["state"] == "running")  # Locust keeps an answer for 2 s
    assert ask("/stats/requests")["user_count"] == 4
    assert ask("/stop", b"")["success"]
    wait_for(lambda: ask("/stats/requests")["state"] == "stopped")
    stats = {row["name"]: row for row in ask("/stats/requests")["stats"]}
    arrived = case.server.arrived["/plain"]
    assert arrived - 4 <= stats["GET /plain"]["num_requests"] <= arrived  # one a user was in flight at most
    assert stats["Aggregated"]["num_requests"] == stats["GET /plain"]["num_requests"]
    assert stats["Aggregated"]["num_failures"] == 0
    case.child.send_signal(signal.SIGINT)
    assert case.end() == 0, case.log()


def test_every_table_has_the_servers_counts(cases: Mapping[str, Case]) -> None:
    """CSV, `--json`, listeners and recorder agree with what arrived, failures and percentiles too."""
    case = cases["counted"]
    assert case.end() == 1, case.log()  # there were failures
    arrived = case.server.arrived
    due = {"GET /quick": arrived["/quick"], "waits": arrived["/wait/40"], "fails": arrived["/status/503"]}
    assert all(due.values())
    table, told = case.rows("stats"), case.told()
    heard = next(note[1] for note in case.notes() if note[0] == "heard")
    recorded = {note[1]: note[2:] for note in case.notes() if note[0] == "recorded"}
    for name, count in due.items():
        failures = count if name == "fails" else 0
        assert int(table[name]["Request Count"]) == told[name]["num_requests"] == count
        assert int(table[name]["Failure Count"]) == told[name]["num_failures"] == failures
        assert heard[name] == [count, failures, 0 if failures else len(BODY) * count]
        assert recorded[name][0] == count
        assert recorded[name][2] == failures
        if count > 50:  # of few, two definitions of a median may be far apart
            assert abs(float(table[name]["50%"]) - recorded[name][1]) <= 1 + 0.05 * recorded[name][1]
    assert 40 <= float(table["waits"]["50%"]) < 1000  # in ms, beside nine other processes that begin
    assert int(table["Aggregated"]["Request Count"]) == sum(due.values())
    assert "status: 503 where 200 was due" in (case.folder / "out_failures.csv").read_text()


def test_weights_starts_and_paces_are_kept(cases: Mapping[str, Case]) -> None:
    """Users and tasks come by their weights, each user starts and stops once, and keeps its pace."""
    case = cases["counted"]
    case.end()
    arrived = case.server.arrived
    notes = Counter(tuple(note) for note in case.notes() if note[0] in ("start", "stop"))
    assert notes == {("start", "Often"): 6, ("stop", "Often"): 6, ("start", "Paced"): 2}
    tasks = arrived["/quick"] + arrived["/wait/40"]
    assert tasks > 50
    chance = math.sqrt(0.75 * 0.25 / tasks)
    assert abs(arrived["/wait/40"] / tasks - 0.25) < 4 * chance, arrived
    assert 2 * 4 <= arrived["/status/503"] <= 2 * 14  # four a second and user, for 3 s at most


def test_users_follow_a_shape(cases: Mapping[str, Case]) -> None:
    """Users come and go with the shape's steps; those that go in mid-request leave nothing behind."""
    case = cases["steps"]
    assert case.end() == 0, case.log()
    users = [(note[1], note[2]) for note in case.notes() if note[0] == "users"]
    ordered = [next((due for until, due in STEPS_DUE if ran < until), None) for ran, _ in users]
    assert [count for _, count in users[1:]] == ordered[:-1], users  # what the look before asked for
    assert [count for _, count in users if count == 6]
    assert sum(1 for note in case.notes() if note[0] == "stop") == 6
    wait_for(lambda: case.server.open == 0)
    counted = int(case.rows("stats")["Aggregated"]["Request Count"])
    assert case.server.arrived["/wait/300"] - 6 <= counted <= case.server.arrived["/wait/300"]


def test_task_sets_run_in_their_order(cases: Mapping[str, Case]) -> None:
    """A SequentialTaskSet with a nested TaskSet, left by `interrupt`, keeps its order for every user."""
    case = cases["nested"]
    assert case.end() == 0, case.log()
    by_user: dict[int, str] = {}
    for peer, path in case.server.order:
        by_user[peer] = by_user.get(peer, "") + path.strip("/")
    assert len(by_user) == 2
    for walked in by_user.values():
        assert len(walked) > 9, walked
        assert re.fullmatch(r"(123)+1?2?", walked), walked


def test_tags_choose_tasks(cases: Mapping[str, Case]) -> None:
    """`--tags` leaves out the other tasks; a task that raises StopUser ends its user without a mistake."""
    case = cases["tagged"]
    assert case.end() == 0, case.log()
    assert set(case.server.arrived) == {"/wanted", "/once"}
    assert case.server.arrived["/once"] == 1


def test_two_processes_are_one_in_the_tables(cases: Mapping[str, Case]) -> None:
    """With `--processes 2` the tables have every request of both."""
    case = cases["processes"]
    assert case.end() == 0, case.log()
    assert int(case.rows("stats")["GET /plain"]["Request Count"]) == case.server.arrived["/plain"] > 50


def test_a_slow_start_takes_nothing_from_the_run_time(cases: Mapping[str, Case]) -> None:
    """A locustfile that takes 3 s to import has all of its 2 s of run time."""
    case = cases["late"]
    assert case.end() == 0, case.log()
    assert case.server.arrived["/plain"] > 50


def test_mistakes_are_counted_and_shown_once(cases: Mapping[str, Case]) -> None:
    """What an author's code raises is logged once with its place, counted, and stops nobody else."""
    case = cases["mistaken"]
    assert case.end() == 7, case.log()
    assert case.server.arrived["/good"] > 50
    log, source = case.log(), MISTAKEN.splitlines()
    for words, code, function in (
        ("TypeError: method and path are str, not int: 5", "self.client.get(5)", "path"),
        ("TypeError: Object of type set is not JSON serializable", "json={1, 2}", "body"),
        ("KeyError: 'price'", '{}["price"]', "key"),
        ("RuntimeError: on the way out", 'RuntimeError("on', "on_stop"),
        ("LookupError: on the way in", 'LookupError("on', "on_start"),
    ):
        line = 1 + next(number for number, text in enumerate(source) if code in text)
        told = f"{words} (mistaken/mine.py:{line} in {function})"
        assert log.count(f"{told}; more of these are counted, not shown") == 1, log
        (count,) = re.findall(rf"(\d+) × {re.escape(told)}", log)
        assert int(count) == 1 if function == "on_start" else int(count) > 1
    assert not (case.folder / "notes").exists()
    line = 1 + source.index('    return response.json()["nope"]')
    (failed,) = [row for name, row in case.rows("failures").items() if name == "GET /checked"]
    assert "KeyError: 'nope'" in failed["Error"].replace("\\", "")
    assert f"(mistaken/mine.py:{line} in picky)" in failed["Error"]
    assert "price" in (case.folder / "out_exceptions.csv").read_text()


def test_the_documented_locustfile_runs(cases: Mapping[str, Case]) -> None:
    """The example of docs/client.md runs as it is written, without a failure; the counts are the server's."""
    case = cases["documented"]
    assert case.end() == 0, case.log()
    told, arrived = case.told(), case.server.arrived
    assert set(told) == {"arrive", "look", "POST /orders"}
    assert told["arrive"]["num_requests"] == arrived["/"] == 4
    assert told["POST /orders"]["num_requests"] == arrived["/orders"]
    assert told["look"]["num_requests"] == arrived.total() - arrived["/"] - arrived["/orders"]
