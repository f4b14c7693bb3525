"""What more than one module of these tests is given."""

from collections.abc import Iterator

import pytest

from harness.machine.engine import Engine, connect


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Return this machine's engine; there has to be one."""
    engine = connect()
    yield engine
    engine.client.close()
