from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import psutil
import pytest

from harness.machine.fingerprint import fingerprint


def write(root: Path, path: str, text: str = "") -> None:
    """Write one file of a machine that is made of files."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_this_machine_has_a_fingerprint(tmp_path: Path) -> None:
    """What every machine has is known: memory, CPUs, kernel, Python."""
    found = fingerprint(project=tmp_path)
    assert found.memory_bytes == psutil.virtual_memory().total
    assert found.cpus_logical
    assert found.kernel == platform.release()
    assert found.python == f"CPython {platform.python_version()}"


def test_a_machine_that_tells_nothing_has_gaps_and_no_guesses(tmp_path: Path) -> None:
    """Where the files are missing, and there is no git, every figure is None."""
    found = fingerprint(tmp_path, project=tmp_path, environment={})
    unknown = (found.governor, found.turbo, found.clock_source, found.cgroup, found.virtualisation)
    assert unknown == (None,) * 5
    assert (found.commit, found.dirty) == (None, None)
    assert found.variables == {}


def test_the_machines_own_files_are_read(tmp_path: Path) -> None:
    """CPU model, governor, turbo, clock source and virtualisation come from the kernel's files."""
    write(tmp_path, "proc/cpuinfo", "processor : 0\nmodel name : Abacus 9\nflags : fpu hypervisor\n")
    write(tmp_path, "sys/class/dmi/id/product_name", "Standard PC\n")
    write(tmp_path, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n")
    write(tmp_path, "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave\n")
    write(tmp_path, "sys/devices/system/cpu/intel_pstate/no_turbo", "1\n")
    write(tmp_path, "sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n")
    found = fingerprint(tmp_path, project=tmp_path)
    assert found.cpu_model == "Abacus 9"
    assert found.virtualisation == "Standard PC"
    assert found.governor == "performance, powersave"
    assert found.turbo is False
    assert found.clock_source == "tsc"


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("sys/fs/cgroup/cgroup.controllers", "v2"),
        ("sys/fs/cgroup/unified/cgroup.procs", "hybrid"),
        ("sys/fs/cgroup/cpu/tasks", "v1"),
    ],
)
def test_the_cgroup_version_is_known_by_its_files(tmp_path: Path, path: str, version: str) -> None:
    """v1, v2 and hybrid are told apart."""
    write(tmp_path, path)
    assert fingerprint(tmp_path, project=tmp_path).cgroup == version


def test_only_allowed_variables_are_stored(tmp_path: Path) -> None:
    """Nothing of the environment is stored but what can't hold a secret."""
    environment = {"LANG": "C", "WEBDYNO_POSTGRES_URL": "postgresql://me:hush@h/", "TOKEN": "hush"}
    assert fingerprint(project=tmp_path, environment=environment).variables == {"LANG": "C"}


def test_the_commit_is_that_of_the_project_itself(tmp_path: Path) -> None:
    """A checkout gives its commit and whether files differ; a folder inside another's checkout gives none."""
    git = ("git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run([*git, "init", "-q"], check=True)
    write(tmp_path, "inside/file", "1")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    clean = fingerprint(project=tmp_path)
    assert clean.commit is not None
    assert len(clean.commit) == 40
    assert clean.dirty is False
    write(tmp_path, "inside/file", "2")
    assert fingerprint(project=tmp_path).dirty is True
    assert fingerprint(project=tmp_path / "inside").commit is None
