import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from servicing import ServiceRun, killed

from harness.ground.errors import EnvironmentUnfit
from harness.machine.services.metrics import FOLDER, SWITCH, make_metrics

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path: Path) -> Iterator[ServiceRun]:
    """Begin a run, and end it whatever happens."""
    one = ServiceRun(tmp_path)
    yield one
    one.close()


def test_a_sut_gets_a_folder_of_its_own(run: ServiceRun) -> None:
    """The folder is the SUT's alone, who can't put another in its place; it is gone after the end."""
    service = run.serve("metrics")
    folder = Path(service.variables[FOLDER])
    assert service.variables[SWITCH] == "1"
    assert folder.stat().st_mode & 0o777 == 0o700
    if os.geteuid() == 0:
        assert folder.stat().st_uid == 65534
        assert folder.parent.stat().st_uid == 0
        assert folder.parent.stat().st_mode & 0o022 == 0
    service.stop()
    assert run.left() == []
    service.stop()


def test_a_reset_empties_it(run: ServiceRun) -> None:
    """No SUT finds what the one before it counted; what a link points to stays."""
    service = run.serve("metrics")
    folder, elsewhere = Path(service.variables[FOLDER]), run.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    (folder / "counter_1.db").touch()
    (folder / "link").symlink_to(elsewhere)
    service.reset()
    assert list(folder.iterdir()) == []
    assert (elsewhere / "file").exists()


def test_a_kill_leaves_no_folder(tmp_path: Path) -> None:
    """A killed run's folder is removed by its reaper."""
    folder = killed(tmp_path, "run-metrics", "metrics", FOLDER)
    assert Path(folder).name == "workers"
    assert not Path(folder).parent.exists()


def test_no_room_is_said(run: ServiceRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no folder can be made, the message names it and what to do."""
    monkeypatch.setattr("harness.machine.services.metrics.home_for", lambda *_: run.folder / "missing" / "a")
    with pytest.raises(EnvironmentUnfit, match="folder for metrics can't be made"):
        make_metrics(run.journal)
