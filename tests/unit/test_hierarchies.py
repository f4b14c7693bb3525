from pathlib import Path

import pytest

from harness.machine.backends.cgroup import Found, choose
from harness.machine.control_groups import caps_hold, confine, join, make, prepare
from harness.machine.custody.journal import Controllers, Evacuation, Journal, read
from harness.machine.hierarchies import Layout, cpu_quota, find_layout, places_of

V1_APART = "".join(
    f"{30 + n} 23 0:{n} / /sys/fs/cgroup/{name} rw,relatime - cgroup cgroup rw,{name}\n"
    for n, name in enumerate(("cpu", "cpuacct", "memory", "cpuset", "pids", "devices"))
)
V1_TOGETHER = (
    "30 23 0:1 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "31 23 0:2 / /sys/fs/cgroup/memory rw shared:10 - cgroup cgroup rw,memory\n"
)
V2 = "30 23 0:1 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
UNIFIED = "40 23 0:40 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"


def tree(root: Path, mountinfo: str, membership: str, files: dict[str, str]) -> Path:
    """Lay out a recorded machine: what is mounted, where we are, and what the control files hold."""
    for path, text in {"proc/self/mountinfo": mountinfo, "proc/self/cgroup": membership, **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def v1_apart(root: Path) -> Path:
    """Lay out cgroup v1 with each controller mounted by itself, ours deeper for memory."""
    folders = ("cpu", "cpuacct", "memory/box", "cpuset", "pids")
    files = {f"sys/fs/cgroup/{name}/cgroup.procs": "" for name in folders}
    files |= {"sys/fs/cgroup/cpuset/cpuset.mems": "0\n", "sys/fs/cgroup/cpuset/cpuset.cpus": "0-1\n"}
    return tree(root, V1_APART, "4:memory:/box\n3:cpuset:/\n2:cpuacct:/\n5:pids:/\n1:cpu:/\n", files)


def v2(root: Path, own: str, files: dict[str, str]) -> Path:
    """Lay out cgroup v2 with ourselves in one folder of it."""
    return tree(root, V2, f"0::{own}\n", {f"sys/fs/cgroup/{name}": text for name, text in files.items()})


def written(root: Path, name: str) -> dict[str, str]:
    """Return what the files of our groups of one name hold."""
    base = root / "sys/fs/cgroup"
    return {
        str(path.relative_to(base)): path.read_text()
        for path in sorted(base.rglob(f"{name}/*"))
        if path.is_file()
    }


def layout_of(root: Path) -> Layout:
    """Return the layout, which must be there."""
    found = find_layout(root)
    assert isinstance(found, Layout), found
    return found


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Return a journal that a test may read back."""
    return Journal(tmp_path / "state/journal.jsonl", "r1")


def test_v1_apart_is_capped_by_its_own_files(tmp_path: Path, journal: Journal) -> None:
    """On cgroup v1 each cap goes to its own controller's folder, beneath our own group, swap included."""
    layout = layout_of(v1_apart(tmp_path))
    assert layout.name == "cgroup v1"
    group = make(layout, "webdyno-x", journal, capped=True)
    for place in group.places:
        (place.folder / "memory.memsw.limit_in_bytes").touch()
    confine(group, cpus=(0,), quota_cpus=0.5, memory_bytes=1 << 30)
    join(group, 42)
    files = written(tmp_path, "webdyno-x")
    assert files["cpu/webdyno-x/cpu.cfs_quota_us"] == "50000"
    assert files["cpu/webdyno-x/cpu.cfs_period_us"] == "100000"
    assert files["memory/box/webdyno-x/memory.limit_in_bytes"] == str(1 << 30)
    assert files["memory/box/webdyno-x/memory.memsw.limit_in_bytes"] == str(1 << 30)
    assert files["cpuset/webdyno-x/cpuset.cpus"] == "0"
    assert files["cpuset/webdyno-x/cpuset.mems"] == "0"
    assert files["pids/webdyno-x/pids.max"] == "4096"
    joined = [path for path, text in files.items() if path.endswith("cgroup.procs") and text == "42"]
    assert len(joined) == 5
    assert caps_hold(group, quota_cpus=0.5, memory_bytes=1 << 30)
    assert not caps_hold(group, quota_cpus=1.0, memory_bytes=1 << 30)
    assert not caps_hold(group, quota_cpus=0.5, memory_bytes=1 << 29)


def test_v1_party_without_caps_stays_out_of_the_cpu_hierarchy(tmp_path: Path, journal: Journal) -> None:
    """A party without caps is accounted for, and not put into a CPU group of its own."""
    group = make(layout_of(v1_apart(tmp_path)), "webdyno-x", journal, capped=False)
    assert group.controlled_by("cpu") is None
    assert group.controlled_by("cpuacct") is not None


def test_v1_together_shares_a_folder(tmp_path: Path) -> None:
    """Where cpu and cpuacct are one mount there is one folder for both."""
    files = {"sys/fs/cgroup/cpu,cpuacct/cgroup.procs": "", "sys/fs/cgroup/memory/cgroup.procs": ""}
    layout = layout_of(tree(tmp_path, V1_TOGETHER, "2:cpu,cpuacct:/\n3:memory:/\n", files))
    assert [place.controllers for place in layout.places] == [{"cpu", "cpuacct"}, {"memory"}]


def test_v1_in_a_container_is_found_beneath_the_mount(tmp_path: Path) -> None:
    """Where only a container's part of the hierarchy is mounted, its path is not repeated."""
    mounts = V1_TOGETHER.replace(" / /sys", " /docker/abc /sys")
    files = {"sys/fs/cgroup/cpu,cpuacct/in/cgroup.procs": "", "sys/fs/cgroup/memory/in/cgroup.procs": ""}
    paths = "2:cpu,cpuacct:/docker/abc/in\n3:memory:/docker/abc/in\n"
    layout = layout_of(tree(tmp_path, mounts, paths, files))
    assert [str(p.folder.relative_to(tmp_path)) for p in layout.places] == [
        "sys/fs/cgroup/cpu,cpuacct/in",
        "sys/fs/cgroup/memory/in",
    ]


def test_hybrid_takes_each_controller_where_it_is(tmp_path: Path) -> None:
    """With both versions mounted v1's controllers are used and v2 is joined for its kill alone."""
    v1_apart(tmp_path)
    membership = "4:memory:/box\n3:cpuset:/\n2:cpuacct:/\n5:pids:/\n1:cpu:/\n0::/\n"
    unified = {"sys/fs/cgroup/unified/cgroup.procs": "", "sys/fs/cgroup/unified/cgroup.controllers": ""}
    layout = layout_of(tree(tmp_path, V1_APART + UNIFIED, membership, unified))
    assert layout.name == "cgroup v1 and v2 (hybrid)"
    assert layout.places[-1].folder == tmp_path / "sys/fs/cgroup/unified"
    assert layout.places[-1].controllers == frozenset()


def test_v2_real_root_enables_what_is_missing(tmp_path: Path, journal: Journal) -> None:
    """As root of a host groups are made at the top, where a process beside them does no harm."""
    files = {
        "cgroup.procs": "",
        "cgroup.controllers": "cpu memory pids cpuset",
        "cgroup.subtree_control": "memory pids",
    }
    layout = layout_of(v2(tmp_path, "/", files))
    assert layout.places[0].enable == ("cpu",)
    prepare(layout, "webdyno-leaf", journal)
    assert (tmp_path / "sys/fs/cgroup/cgroup.subtree_control").read_text() == "+cpu"
    entries = read(journal.path)
    assert entries is not None
    assert entries.made == (Controllers(str(tmp_path / "sys/fs/cgroup"), ("cpu",)),)


def test_v2_delegated_folder_is_evacuated_first(tmp_path: Path, journal: Journal) -> None:
    """Inside a container all processes move to a leaf: capped children tolerate none beside them."""
    files = {
        "cgroup.procs": "",
        "cgroup.type": "domain\n",
        "cgroup.controllers": "cpuset cpu io memory pids\n",
        "cgroup.subtree_control": "\n",
    }
    layout = layout_of(v2(tmp_path, "/", files))
    place = layout.places[0]
    assert place.evacuate
    assert set(place.enable) == {"cpu", "memory", "cpuset", "pids"}
    prepare(layout, "webdyno-leaf", journal)
    assert (tmp_path / "sys/fs/cgroup/webdyno-leaf").is_dir()
    entries = read(journal.path)
    assert entries is not None
    assert [type(made) for made in entries.made] == [Evacuation, Controllers]


def test_v2_sibling_is_made_where_an_ancestor_is_ready(tmp_path: Path, journal: Journal) -> None:
    """Where a writable ancestor has the controllers on, our groups go there and nothing is moved."""
    ready = "user.slice/app.slice"
    files = {
        "cgroup.controllers": "cpu memory",
        f"{ready}/cgroup.procs": "",
        f"{ready}/cgroup.type": "domain",
        f"{ready}/cgroup.controllers": "cpu memory pids",
        f"{ready}/cgroup.subtree_control": "cpu memory pids",
        f"{ready}/term.scope/cgroup.procs": "1\n",
        f"{ready}/term.scope/cgroup.type": "domain",
        f"{ready}/term.scope/cgroup.controllers": "cpu memory pids",
        f"{ready}/term.scope/cgroup.subtree_control": "",
    }
    layout = layout_of(v2(tmp_path, f"/{ready}/term.scope", files))
    assert layout.name == "cgroup v2"
    assert layout.places[0].folder == tmp_path / "sys/fs/cgroup" / ready
    assert not layout.places[0].evacuate
    group = make(layout, "webdyno-x", journal, capped=True)
    for file in ("memory.swap.max",):
        (group.folders[0] / file).touch()
    confine(group, cpus=(0, 2), quota_cpus=1.5, memory_bytes=1 << 20)
    files = written(tmp_path, "webdyno-x")
    base = f"{ready}/webdyno-x"
    assert files[f"{base}/cpu.max"] == "150000 100000"
    assert files[f"{base}/memory.max"] == str(1 << 20)
    assert files[f"{base}/memory.swap.max"] == "0"
    assert files[f"{base}/pids.max"] == "4096"
    assert f"{base}/cpuset.cpus" not in files
    assert caps_hold(group, quota_cpus=1.5, memory_bytes=1 << 20)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "no writable control group"),
        ({"cgroup.procs": "", "cgroup.type": "domain", "cgroup.controllers": "pids"}, "cpu and memory"),
    ],
)
def test_unfit_trees_say_why(tmp_path: Path, files: dict[str, str], reason: str) -> None:
    """A tree that can't hold caps is named with its reason, never used in part."""
    found = find_layout(v2(tmp_path, "/", files))
    assert isinstance(found, str)
    assert reason in found


def test_no_linux_has_no_layout(tmp_path: Path) -> None:
    """Without /proc there are no control groups, and that is what is said."""
    assert find_layout(tmp_path) == "there are no control groups here"


def test_path_outside_of_the_namespace_is_not_used(tmp_path: Path) -> None:
    """A path that leads out of what our namespace shows is nobody's folder of ours."""
    assert isinstance(find_layout(v2(tmp_path, "/../other", {"cgroup.procs": ""})), str)


@pytest.mark.parametrize(
    ("scopes", "linux", "kind"),
    [(True, True, "scope"), (False, True, "affinity"), (False, False, "affinity")],
)
def test_method_falls_back_in_order(tmp_path: Path, scopes: bool, linux: bool, kind: str) -> None:
    """By hand where it can be, else systemd, else affinity; the reason is kept."""
    assert choose(Found("it is read-only", scopes, linux)).kind == kind
    assert choose(Found(layout_of(v1_apart(tmp_path)), scopes, linux)).kind == "by-hand"
    if linux:
        assert "it is read-only" in choose(Found("it is read-only", scopes, linux)).reason


def test_quota_of_an_ancestor_counts(tmp_path: Path) -> None:
    """The smallest quota on the way up is what we may use."""
    files = {"cgroup.procs": "", "box/cpu.max": "150000 100000\n", "box/in/cpu.max": "max 100000\n"}
    assert cpu_quota(v2(tmp_path, "/box/in", files)) == 1.5
    assert cpu_quota(v2(tmp_path / "other", "/", {"cgroup.procs": ""})) is None


def test_the_groups_of_a_container_are_found_by_its_id(tmp_path: Path) -> None:
    """A container's folders are those of its first process, and none where that process is another's."""
    name = "system.slice/docker-abc123.scope"
    root = v2(tmp_path, "/", {f"{name}/cgroup.controllers": "cpu memory pids\n", f"{name}/cgroup.procs": ""})
    (root / "proc/77").mkdir()
    (root / "proc/77/cgroup").write_text(f"0::/{name}\n")
    (place,) = places_of(root, 77, "abc123")
    assert place.folder == root / "sys/fs/cgroup" / name
    assert place.controllers == {"cpu", "cpuacct", "memory", "pids"}
    assert places_of(root, 77, "def456") == ()
    assert places_of(root, 78, "abc123") == ()


def test_a_process_below_its_containers_group(tmp_path: Path) -> None:
    """Where the engine's runtime puts the process further below, the group that has the caps is found."""
    name = "machine.slice/libpod-abc123.scope"
    root = v2(tmp_path, "/", {f"{name}/container/cgroup.procs": "77\n"})
    (root / "proc/77").mkdir()
    (root / "proc/77/cgroup").write_text(f"0::/{name}/container\n")
    (place,) = places_of(root, 77, "abc123")
    assert place.folder == root / "sys/fs/cgroup" / name


def test_the_groups_of_a_container_in_v1(tmp_path: Path) -> None:
    """In v1 each mounted controller has a folder of the container; what counts nothing is left out."""
    root = v1_apart(tmp_path)
    for controller in ("cpu", "memory", "devices"):
        (root / f"sys/fs/cgroup/{controller}/docker/abc123").mkdir(parents=True)
    (root / "proc/77").mkdir()
    (root / "proc/77/cgroup").write_text(
        "4:memory:/docker/abc123\n1:cpu:/docker/abc123\n6:devices:/docker/abc123\n"
    )
    assert [sorted(place.controllers) for place in places_of(root, 77, "abc123")] == [["cpu"], ["memory"]]
