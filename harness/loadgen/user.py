"""`BenchUser`: a Locust user that is an instrument.

It stays Locust's in everything that Locust decides (weights, `on_start` and `on_stop`, wait times,
shapes, stopping); its HTTP client and its loop are webdyno's own.
"""

from __future__ import annotations

import random
import time
from typing import Any

import gevent
from gevent import GreenletExit
from locust import User, constant
from locust.exception import StopTest, StopUser
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING, DefaultTaskSet

from harness.loadgen.client import Client
from harness.loadgen.conductor import Conductor

_conductors: dict[int, Conductor] = {}


def conductor_of(environment: Any) -> Conductor:
    """Return the conductor of a Locust environment, made at the first call."""
    found = _conductors.get(id(environment))
    if found is None:
        found = _conductors[id(environment)] = Conductor(environment)
    return found


class BenchUser(User):
    """A user with a `client`; subclass it and mark the tasks with Locust's `@task`."""

    abstract = True
    wait_time = constant(0)
    timeout_s = 30.0
    """How long a request may take before it counts as an error."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.conductor = conductor_of(environment)
        recorder = self.conductor.recorder
        self.number = recorder.enrol()
        """From 0, in the order in which users were spawned."""
        seed = 0 if self.conductor.assignment is None else self.conductor.assignment.seed
        self.random = random.Random(f"{seed}/{self.number}")  # noqa: S311 - to be repeated, no secret
        """Randomness of this user's own, equal in every trial of a block."""
        host = environment.host or self.host
        self.client = Client(host, self.conductor.pump, recorder, self.number, self.timeout_s)

    def run(self) -> None:
        """Arrive at the barrier, then perform tasks until the window's end or Locust's stop."""
        self._state = LOCUST_STATE_RUNNING
        try:
            self.on_start()
            self.conductor.arrive(self)
            if all(callable(task) and not isinstance(task, type) for task in self.tasks):
                self._perform()
            else:
                self._taskset_instance = DefaultTaskSet(self)
                self._taskset_instance.run()
        except (GreenletExit, StopUser, StopTest):
            pass
        finally:
            self.on_stop()
            self.client.close()

    def _perform(self) -> None:
        """Locust's task loop without its per-task costs; nested task sets keep Locust's own."""
        choose = self.random.choice
        tasks = list(self.tasks)
        only = tasks[0] if len(set(tasks)) == 1 else None
        assignment = self.conductor.assignment
        think_s = assignment.think_s if assignment is not None else 0.0
        while not self.conductor.stopping and self._state != LOCUST_STATE_STOPPING:
            try:
                (only or choose(tasks))(self)
            except Exception as error:  # a scenario author's error must not end the other users
                self.environment.events.user_error.fire(
                    user_instance=self, exception=error, tb=error.__traceback__
                )
                self.conductor.recorder.explain("task", f"{type(error).__name__}: {error}")
                gevent.sleep(0.1)
            pause_s = think_s or self.wait_time()
            if pause_s:
                self._think(pause_s)

    def _think(self, seconds: float) -> None:
        start_ns = time.monotonic_ns()
        gevent.sleep(seconds)
        self.conductor.recorder.thought(start_ns, time.monotonic_ns())
