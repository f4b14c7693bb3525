"""What a reader needs to repeat a run: the command, the placement, the machine and the versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.ground.units import format_size
from harness.output import wording
from harness.records.run import StoredRun
from harness.records.summary import Summary

Pairs = tuple[tuple[str, str], ...]
_NETWORKS = {"host": "the machine's own", "bridge": "the engine's bridge, whose cost is part of every figure"}


def command(run: StoredRun) -> str:
    """Return the command that began the run, with its seed, so that the order of trials is the same."""
    line = wording.plain(run.record.command)
    return line if "--seed" in line else f"{line} --seed {run.record.seed}"


def method(run: StoredRun) -> Pairs:
    """Return how it was measured."""
    place = run.placement
    capped = any(variant.cpus is not None for variant in run.variants)
    own = "; fewer CPUs where its name has `cpus`" if capped else ""
    return (
        ("blocks", f"{run.blocks}, each over all cells in an order of its own (seed {run.record.seed})"),
        ("backend", wording.plain(run.record.backend)),
        ("network", _NETWORKS[run.record.network]),
        ("phases", f"{run.timing.warmup_s:g} s of warm-up, {run.timing.window_s:g} s of window, then drain"),
        ("cap", f"{place.caps.cpus:g} CPU and {format_size(place.caps.memory_bytes)} for the variant{own}"),
        ("variant's CPUs", _cpus(place.sut_cpus)),
        ("generator's CPUs", _cpus(place.generator_cpus)),
        ("services' CPUs", _cpus(place.service_cpus)),
        ("shared CPUs", "yes" if place.overlap else "none"),
        *(
            (wording.plain(name), wording.plain(origin))
            for name, origin in sorted(run.record.services.items())
        ),
    )


def machine(fingerprint: Mapping[str, object]) -> Pairs:
    """Return the fingerprint as lines, nested keys joined by dots, in order."""
    return tuple(_flat("", fingerprint))


def versions(summary: Summary) -> Pairs:
    """Return each variant's versions, settings, and what its connections by TLS agreed on."""
    lines: dict[str, str] = {}
    agreed: dict[str, set[str]] = {}
    for cell in summary.cells:
        agreed.setdefault(cell.variant.label, set()).update(cell.tls)
    for cell in summary.cells:
        label = cell.variant
        if label.replica:
            continue
        parts = [f"{name} {version}" for name, version in sorted(label.versions.items())]
        parts += [f"{key}={value}" for key, value in sorted(label.settings.items())]
        parts += sorted(agreed[label.label])
        lines.setdefault(wording.plain(label.label), wording.plain(", ".join(parts)) or wording.NOT_MEASURED)
    return tuple(lines.items())


def _flat(prefix: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), value[key])
    elif isinstance(value, list | tuple):
        yield wording.plain(prefix), wording.plain(", ".join(map(str, value)))
    else:
        yield wording.plain(prefix), wording.NOT_MEASURED if value is None else wording.plain(str(value))


def _cpus(cpus: Sequence[int]) -> str:
    return ", ".join(map(str, cpus)) or "any"
