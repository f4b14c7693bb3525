"""Locustfiles of the tests of `BenchUser`, and the one that is documented."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAD = """
import json
from locust import LoadTestShape, SequentialTaskSet, TaskSet, between, constant, constant_pacing
from locust import events, tag, task
from locust.exception import StopUser
from harness.loadgen.user import BenchUser

def note(what):
    with open("notes", "a") as notes:
        notes.write(json.dumps(what) + "\\n")
"""
COUNTED = (
    HEAD
    + """
class Often(BenchUser):
    weight = 3
    wait_time = between(0.01, 0.03)
    def on_start(self):
        note(["start", "Often"])
    def on_stop(self):
        note(["stop", "Often"])
    @task(3)
    def quick(self):
        self.client.get("/quick")
    @task(1)
    def waits(self):
        self.client.get("/wait/40", name="waits")

class Paced(BenchUser):
    weight = 1
    wait_time = constant_pacing(0.25)
    recorder = None
    def on_start(self):
        note(["start", "Paced"])
        Paced.recorder = self.ensemble.recorder
    @task
    def fails(self):
        self.client.get("/status/503", name="fails")

heard = {}
@events.request.add_listener
def hear(name, response_time, response_length, exception, response, context, start_time, **_):
    row = heard.setdefault(name, [0, 0, 0])
    row[0] += 1
    row[1] += exception is not None
    row[2] += response_length

@events.quitting.add_listener
def tell(**_):
    note(["heard", heard])
    tally = Paced.recorder.tally()
    from harness.ground.histogram import Histogram
    from harness.loadgen.tally import _dense
    for name, named in tally.names.items():
        whole = Histogram.merge([_dense(counts) for counts in named.response.values()])
        note(["recorded", name, whole.total, whole.percentile_ms(50), sum(named.errors.values())])
"""
)
STEPS = (
    HEAD
    + """
class Slow(BenchUser):
    @task
    def slow(self):
        self.client.get("/wait/300")
    def on_stop(self):
        note(["stop"])

class Steps(LoadTestShape):
    def tick(self):
        ran = self.get_run_time()
        note(["users", ran, self.get_current_user_count()])
        for until, users in ((1.2, 2), (2.4, 6), (4.2, 1)):
            if ran < until:
                return users, 20
        return None
"""
)
STEPS_DUE = ((1.2, 2), (2.4, 6), (4.2, 1))
"""Until when, in s, how many users that shape asks for."""
NESTED = (
    HEAD
    + """
class Walk(SequentialTaskSet):
    @task
    def one(self):
        self.client.get("/1")
    @task
    class Inner(TaskSet):
        @task
        def two(self):
            self.client.get("/2")
            self.interrupt()
    @task
    def three(self):
        self.client.get("/3")

class Walker(BenchUser):
    wait_time = constant(0.02)
    tasks = [Walk]
"""
)
TAGGED = (
    HEAD
    + """
class Tagged(BenchUser):
    wait_time = constant(0.02)
    @tag("wanted")
    @task
    def wanted(self):
        self.client.get("/wanted")
    @task
    def other(self):
        self.client.get("/other")

class Leaves(BenchUser):
    fixed_count = 1
    @tag("wanted")
    @task
    def once(self):
        self.client.get("/once")
        raise StopUser
"""
)
PLAIN = (
    HEAD
    + """
class Plain(BenchUser):
    wait_time = constant(0.02)
    @task
    def plain(self):
        self.client.get("/plain")
"""
)
LATE = "import gevent.monkey\ngevent.monkey.get_original('time', 'sleep')(3)\n" + PLAIN
MISTAKEN = (
    HEAD
    + """
def picky(response):
    return response.json()["nope"]

class Mistaken(BenchUser):
    wait_time = constant(0.02)
    @task
    def path(self):
        self.client.get(5)
    @task
    def body(self):
        self.client.post("/", json={1, 2})
    @task
    def key(self):
        {}["price"]
    @task
    def check(self):
        self.client.get("/checked", expect=picky)
    def on_stop(self):
        raise RuntimeError("on the way out")

class Unstarted(BenchUser):
    fixed_count = 1
    def on_start(self):
        raise LookupError("on the way in")
    @task
    def nothing(self):
        note(["never"])

class Good(BenchUser):
    wait_time = constant(0.02)
    @task
    def good(self):
        self.client.get("/good")
"""
)


DOCUMENTED = re.search(
    r"^## In a locustfile of yours$.*?^```python\n(.*?)^```$",
    (ROOT / "docs/client.md").read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)
