"""`BenchUser`: a Locust user that is an instrument.

It stays Locust's in everything that Locust decides (weights, `on_start` and `on_stop`, wait times,
shapes, stopping); its HTTP client and its loop are webdyno's own.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import gevent
from gevent import GreenletExit
from locust import User, constant, events
from locust.exception import RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser
from locust.user.task import (
    LOCUST_STATE_RUNNING,
    LOCUST_STATE_STOPPING,
    LOCUST_STATE_WAITING,
    DefaultTaskSet,
)

from harness.ground.model import Load
from harness.loadgen.client import Client
from harness.loadgen.conductor import install
from harness.loadgen.ensemble import Ensemble
from harness.loadgen.locust_stats import Bookkeeper, teller
from harness.loadgen.schedule import intended_times

_ensembles: dict[int, Ensemble] = {}
_AFTER_ERROR_S = 0.1
"""A pause after an author's error, so that one in every task does not fill the log."""

_SHORT_S = 1.0
"""A longer pause may be cut short when Locust ends the user. A shorter one is not: should it be over at that
very moment, the next request would be cut short instead."""


@events.init.add_listener
def _install(environment: Any, **_: Any) -> None:
    gevent.get_hub().loop.update_now()  # else Locust counts its run time from before its imports
    ensemble = _ensembles[id(environment)] = install(environment)
    environment.events.user_error.add_listener(lambda exception, **_: ensemble.mistakes.note(exception))
    environment.events.test_stop.add_listener(lambda **_: ensemble.mistakes.sum_up())
    if environment.runner is not None:
        Bookkeeper(environment, ensemble.recorder)


class BenchUser(User):
    """A user with a `client`; subclass it and mark the tasks with Locust's `@task`."""

    abstract = True
    wait_time = constant(0)
    timeout_s = 30.0
    """How long a request may take before it counts as an error."""
    ca_file: str | None = None
    """The PEM file of the CA of an `https://` target; else `WEBDYNO_CA_FILE`, else the system's."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.ensemble = _ensembles[id(environment)]
        assignment, recorder = self.ensemble.assignment, self.ensemble.recorder
        self.number = recorder.enrol()
        """From 0, in the order in which this process's users were spawned."""
        seed = 0 if assignment is None else assignment.seed
        processes = 1 if assignment is None else assignment.processes
        self.place = self.number * processes + max(0, getattr(environment.runner, "worker_index", 0))
        """The user's number among those of all processes."""
        self.random = random.Random(f"{seed}/{self.place}")  # noqa: S311 - to be repeated, no secret
        """Randomness of this user's own, equal in every trial of a block."""
        self._paused_ns: int | None = None
        self._only_task = self.tasks[0] if len(set(self.tasks)) == 1 else None
        self._has_task_sets = any(isinstance(task, type) for task in self.tasks)
        host = environment.host or self.host
        self.client = Client(host, self.ensemble.pump, recorder, self.number, self.timeout_s, self.ca_file)
        self.client.on_answer = teller(environment)

    def run(self) -> None:
        """Arrive at the barrier, then perform tasks until the window's end or Locust's stop."""
        self._state = LOCUST_STATE_RUNNING
        self.ensemble.enter(self)
        try:
            try:
                self.on_start()
                load = self._load()
                self.ensemble.arrive(self)
                self._work(load)
            except (GreenletExit, StopUser, StopTest):
                pass
            self.on_stop()
        except Exception as error:  # an author's, outside a task: this user ends, as Locust has it
            self._tell_mistake(error)
            self.ensemble.lose_member(error)
        finally:
            self.client.close()

    def end(self) -> None:
        """Begin no further task; Locust's own task sets look at this state."""
        self._state = LOCUST_STATE_STOPPING
        self._count_pause()

    def _load(self) -> Load | None:
        """Return the load that is assigned; raises NotImplementedError for one that can't be made."""
        load = None if self.ensemble.assignment is None else self.ensemble.assignment.load
        if load is not None and load.rate_per_s is not None and self._has_task_sets:
            raise NotImplementedError("a scenario with task sets can't follow a rate: use plain tasks")
        return load

    def _work(self, load: Load | None) -> None:
        if self._has_task_sets:
            self._taskset_instance = DefaultTaskSet(self)
            self._taskset_instance.run()
        elif load is not None and load.rate_per_s is not None:
            self._follow(intended_times(self.random, self.ensemble.barrier_ns, load, self.place))
        else:
            self._loop(load)

    def _loop(self, load: Load | None) -> None:
        """Perform closed load: Locust's task loop without its costs a task."""
        while not self._told_to_stop():
            self._perform()
            pause_s = self._pause_s(load) if load is not None and load.think_s else self.wait_time()
            if pause_s:
                self._think(pause_s)

    def _pause_s(self, load: Load) -> float:
        return load.think_s if load.think == "constant" else self.random.expovariate(1 / load.think_s)

    def _follow(self, moments: Iterator[int]) -> None:
        """Perform open load: each task has its moment; a late user catches up, no moment is dropped."""
        for due_ns in moments:
            start_ns = time.monotonic_ns()
            idle = start_ns < due_ns
            if idle:
                self._paused_ns = start_ns
                self.ensemble.alarm.wait_until(due_ns)
                self._count_pause()
            if self._told_to_stop():
                return
            self.client.intended_ns = due_ns
            self.client.was_idle = idle
            self._perform()

    def _told_to_stop(self) -> bool:
        return self.ensemble.stopping or self._state == LOCUST_STATE_STOPPING

    def _perform(self) -> None:
        task = self._only_task or self.random.choice(self.tasks)
        try:
            task(self)
        except (StopUser, StopTest):
            raise
        except (RescheduleTask, RescheduleTaskImmediately):
            pass
        except Exception as error:  # a scenario author's error must not end the other users
            self._tell_mistake(error)
            gevent.sleep(_AFTER_ERROR_S)

    def _tell_mistake(self, error: Exception) -> None:
        self.environment.events.user_error.fire(user_instance=self, exception=error, tb=error.__traceback__)

    def _think(self, seconds: float) -> None:
        if self._told_to_stop():
            return
        self._paused_ns = time.monotonic_ns()
        if seconds > _SHORT_S:
            self._state = LOCUST_STATE_WAITING
        gevent.sleep(seconds)
        if self._state == LOCUST_STATE_WAITING:
            self._state = LOCUST_STATE_RUNNING
        self._count_pause()

    def _count_pause(self) -> None:
        """Count the pause under way, once: where it outlasts the window, at the window's end."""
        if self._paused_ns is not None:
            self.ensemble.recorder.thought(self._paused_ns, time.monotonic_ns())
            self._paused_ns = None
