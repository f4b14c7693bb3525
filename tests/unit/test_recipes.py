"""The recipes for containers say what the harness says."""

import importlib.util
import re
from pathlib import Path

import pytest

from harness.ground.model import Caps
from harness.machine.building import GIVEN
from harness.machine.services.service_images import CHOICES
from harness.records.manifest import load_variant, start_command

_TOP = Path(__file__).parents[2]
_VARIANTS = sorted(path.parent for path in _TOP.glob("apps/*/variant.toml"))


@pytest.mark.parametrize("cpus", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("folder", _VARIANTS, ids=lambda folder: folder.name)
def test_a_container_starts_a_variant_as_the_harness_does(folder: Path, cpus: float) -> None:
    """The command that a container finds in `variant.toml` is the harness's, argument by argument."""
    spec = importlib.util.spec_from_file_location("start", _TOP / "apps/start.py")
    assert spec is not None
    assert spec.loader is not None
    start = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(start)
    ours = start_command(
        load_variant(folder), host="0.0.0.0", port=8000, caps=Caps(cpus, 1 << 30), settings={}
    )
    theirs = start.command(folder, {"HOST": "0.0.0.0", "PORT": "8000", "CPUS": str(cpus)})
    assert tuple(theirs) == ours


def test_no_variant_is_named_by_the_recipes() -> None:
    """A new variant touches neither the image's recipe nor what composes it with its services."""
    code = re.compile(r"^\s*#.*$", re.MULTILINE)
    for name in ("apps/Dockerfile", "docker-compose.yml", ".dockerignore"):
        text = code.sub("", (_TOP / name).read_text())
        named = [
            folder.name for folder in _VARIANTS if folder.name in text.replace("such as flask-gunicorn", "")
        ]
        assert not named, name


@pytest.mark.parametrize(
    ("name", "shipped"),
    [("apps/Dockerfile", {""}), ("deploy/Dockerfile", {"seed", "locust", "processes", *CHOICES})],
)
def test_no_image_remembers_where_it_was_installed_from(name: str, shipped: set[str]) -> None:
    """Each stage that installs, and no other, is told the package index; no image is made on one of these."""
    stages = {}
    for part in re.split(r"^FROM ", (_TOP / name).read_text(), flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        base, _, stage = head.partition(" AS ")
        stages[stage] = (base, body)
    told = {stage for stage, (_, body) in stages.items() if re.search(r"^ARG PIP_", body, re.MULTILINE)}
    assert told == {stage for stage, (_, body) in stages.items() if " install " in body}
    for variable in (one for one in GIVEN if one.startswith("PIP_")):
        assert all(f"\nARG {variable}\n" in f"\n{stages[stage][1]}" for stage in told), variable
    assert shipped <= stages.keys()
    assert not told & (shipped | {base for base, _ in stages.values()})


def test_every_published_port_is_this_machines_alone() -> None:
    """No container of the compose file can be reached from another machine."""
    ports = re.findall(r"^\s*ports:(.*)$", (_TOP / "docker-compose.yml").read_text(), re.MULTILINE)
    assert ports
    assert all(line.strip().startswith('["127.0.0.1:') and line.count(",") == 0 for line in ports)


def test_valkey_is_set_up_alike_in_both_places() -> None:
    """What the harness sets for its own Valkey is what the composed one is told, its password aside."""
    from harness.machine.services import valkey

    text = (_TOP / "docker-compose.yml").read_text()
    for key in ("maxmemory", "maxmemory-policy", "tcp-backlog", "tcp-keepalive", "appendonly"):
        value = re.search(rf"^{key} (\S+)$", valkey._SETTINGS, re.MULTILINE)
        assert value is not None, key
        assert re.search(rf'--{key}, "?{value[1]}"?,', text), key
