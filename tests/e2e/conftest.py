"""What more than one module of these tests is given."""

import threading
from collections.abc import Iterator

import pytest
from talking import Sources

from harness.loadgen.pump import EpollSource, WatcherSource
from harness.machine.engine import Engine, connect


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Return this machine's engine; there has to be one."""
    engine = connect()
    yield engine
    engine.client.close()


@pytest.fixture(params=[EpollSource, WatcherSource], ids=["epoll", "watchers"])
def source(request: pytest.FixtureRequest) -> Sources:
    """Return each source of readiness in turn: nothing that a user sees may depend on it."""
    chosen: Sources = request.param
    return chosen


@pytest.fixture
def no_thread_left() -> Iterator[None]:
    """See that no thread outlives a test."""
    before = threading.active_count()
    yield
    assert threading.active_count() <= before
