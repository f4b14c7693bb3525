"""The classifier in 32-bit floats beside the one in 8-bit integers: time, size and accuracy.

    .venv/bin/python benchmarks/classifier.py --out benchmarks/results/classifier.json

One process on one CPU classifies the same held-out texts by both models, as a variant does, in rounds that
take turns: who begins one is second in the next. A round's figure is the mean CPU time of a text, which what
else runs disturbs less than its wall time; the ratio is int8 ÷ fp32 over the rounds. Takes half a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from harness.ground.stats import mean_interval, paired_ratio
from harness.machine.fingerprint import fingerprint
from harness.machine.services.classifier import Models, ensure_models
from harness.machine.services.classifier_texts import labelled_texts
from harness.machine.services.classifier_training import HELD_OUT, PRECISIONS, SEED, codepoints, options

TEXTS = 100


def seconds_a_text(model: Any, inputs: Sequence[np.ndarray[Any, Any]]) -> float:  # noqa: ANN401 - has no types
    """Return the mean CPU time of a text in one pass over all."""
    begun = time.thread_time()
    for each in inputs:
        model.run(["category"], {"codepoints": each})
    return (time.thread_time() - begun) / len(inputs)


def measure(models: Models, rounds: int) -> dict[str, list[float]]:
    """Return CPU µs a text by precision, a figure a round, after a round that is thrown away."""
    sessions = {name: onnxruntime.InferenceSession(models.path(name), options()) for name in PRECISIONS}
    inputs = [codepoints(text) for text, _ in labelled_texts(TEXTS, SEED + 1)]
    found: dict[str, list[float]] = {name: [] for name in PRECISIONS}
    for number in range(rounds + 1):
        for name in PRECISIONS if number % 2 else reversed(PRECISIONS):
            took = seconds_a_text(sessions[name], inputs)
            if number:
                found[name].append(took * 1e6)
    return found


def main() -> None:
    """Measure; write and show what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    models = ensure_models()
    cpu = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpu})
    load_before = os.getloadavg()[0]
    found = measure(models, wanted.rounds)
    exact, small = (found[name] for name in PRECISIONS)
    ratio = paired_ratio(exact, small)
    text = json.dumps(
        {
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": {
                "cpu": fingerprint().cpu_model,
                "python": sys.version.split()[0],
                "onnxruntime": onnxruntime.__version__,
                "load_before": round(load_before, 2),
                "load_after": round(os.getloadavg()[0], 2),
            },
            "rounds": wanted.rounds,
            "texts_a_round": TEXTS,
            "cpu_us_a_text": {name: asdict(mean_interval(values)) for name, values in found.items()},
            "int8_over_fp32": {"ratio": ratio.ratio, "low": ratio.low, "high": ratio.high},
            "bytes": {name: models.path(name).stat().st_size for name in PRECISIONS},
            "accuracy": {"held_out_texts": HELD_OUT, **models.accuracy},
        },
        indent=1,
    )
    wanted.out.parent.mkdir(exist_ok=True)
    wanted.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
