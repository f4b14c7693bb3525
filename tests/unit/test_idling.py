from __future__ import annotations

from pathlib import Path

from harness.machine.idling import DEVICE, can_stay_awake, kept_awake


def test_awake_is_asked_for_as_the_kernel_reads_it(tmp_path: Path) -> None:
    """What is written is a whole number of 4 bytes: no latency at all."""
    device = tmp_path / DEVICE
    device.parent.mkdir()
    device.touch()
    with kept_awake(tmp_path):
        assert device.read_bytes() == bytes(4)


def test_without_a_device_nothing_is_kept_or_known(tmp_path: Path) -> None:
    """On another system than Linux a trial goes on all the same, and whether CPUs sleep is unknown."""
    with kept_awake(tmp_path):
        assert can_stay_awake(tmp_path) is None


def test_an_ordinary_user_can_not_keep_cpus_awake(tmp_path: Path) -> None:
    """A device that can't be written to means no, and no error."""
    (tmp_path / DEVICE).mkdir(parents=True)  # what not even root can open for writing
    with kept_awake(tmp_path):
        assert can_stay_awake(tmp_path) is False
