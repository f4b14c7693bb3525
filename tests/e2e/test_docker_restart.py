"""The end of the engine itself in the middle of a run, shown with an engine that is the test's own."""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from containing import BASE, marks, own_variant
from parties import until
from running import Home

from harness.ground.errors import EnvironmentUnfit
from harness.machine.engine import RUN_LABEL, Engine, connect

pytestmark = marks


class OwnEngine:
    """An engine that shares neither its network nor its folders, nor what it holds, with the machine's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.address = f"unix://{folder}/sock"
        alone = ("unshare", "--net", "sh", "-c", "ip link set lo up && exec sleep 900")
        self.network = subprocess.Popen(alone)
        self.within = ("nsenter", f"--net=/proc/{self.network.pid}/ns/net", "--")
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        folder = self.folder
        options = (
            f"--host={self.address}",
            f"--data-root={folder}/data",
            f"--exec-root={folder}/exec",
            f"--pidfile={folder}/pid",
            "--containerd-namespace=webdyno-test",
            "--containerd-plugins-namespace=webdyno-test-plugins",
            "--bridge=none",
            "--iptables=false",
        )
        with open(folder / "log", "ab") as log:
            command = (*self.within, "dockerd", *options)
            self.child = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        assert until(self._answers, bound_s=60), (folder / "log").read_text()[-3000:]

    def _answers(self) -> bool:
        try:
            connect(self.address).client.close()
        except EnvironmentUnfit:
            return False
        return True

    def end(self) -> None:
        """End it as a service manager does."""
        if self.child is not None:
            self.child.send_signal(signal.SIGTERM)
            self.child.wait(60)
            self.child = None

    def close(self) -> None:
        """End it, and remove what it had."""
        self.end()
        self.network.kill()
        self.network.wait()
        subprocess.run(("umount", f"{self.folder}/exec/netns/default"), check=False)  # the engine leaves it
        shutil.rmtree(self.folder, ignore_errors=True)  # of a size that pytest should not keep


@pytest.fixture
def own(engine: Engine, tmp_path: Path) -> Iterator[OwnEngine]:
    """Return an engine with the image that others begin with."""
    own = OwnEngine(tmp_path / "own")
    try:
        assert until(lambda: b"127.0.0.1" in _addresses(own), bound_s=10)
        own.start()
        client = connect(own.address).client
        client.images.load(b"".join(engine.client.images.get(BASE).save(named=True)))
        client.close()
        yield own
    finally:
        own.close()


def _addresses(own: OwnEngine) -> bytes:
    return subprocess.run((*own.within, "ip", "address"), capture_output=True, check=True).stdout


@pytest.mark.timeout(600)  # an engine of its own, and an image
def test_a_restart_ends_the_run_and_resume_goes_on(own: OwnEngine, tmp_path: Path) -> None:
    """A run whose engine ends ends with 3 and keeps its trials; resume finishes it and nothing is left."""
    home = Home(tmp_path / "home")
    home.environment |= {"WEBDYNO_BACKEND": "docker", "DOCKER_HOST": own.address}
    own_variant(home, "plain")
    home.suite(blocks="4", window_s="3")
    with home.start("run", "--suite", "tiny.toml", prefix=own.within) as command:
        assert until(lambda: command.said("trial 2/4"), bound_s=300), command.complaint.read_text()
        own.end()
        assert command.child.wait(120) == 3, command.complaint.read_text()
        complaint = command.complaint.read_text()
        assert "engine" in complaint
        assert "Traceback" not in complaint
        kept = home.trials()
        assert 1 <= len(kept) < 4
        own.start()
        client = connect(own.address).client
        with home.start("resume", "--yes", prefix=own.within) as resumed:
            ended = resumed.end(bound_s=200)
        assert ended.status == 0, ended
        assert len(home.trials()) == 4
        assert kept.items() <= home.trials().items()
        assert client.containers.list(all=True, filters={"label": RUN_LABEL}) == []
        client.close()
        assert not home.left({command.child.pid})
    record = json.loads((home.folders()[-1] / "run.json").read_bytes())
    assert record["backend"] == "docker"
