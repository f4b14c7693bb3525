"""Stores a run of two trials over and over, each time with a crash one step later: `crashes.py FOLDER`.

A step is any call that opens, writes, flushes, closes, renames, makes or removes a file or folder, whoever
makes it. The crash is the end of the process before that step, without any clean-up. A line of JSON tells
what is found after each, and whether the run could be finished from there.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path
from types import FrameType

import synthetic

from harness.records.disk import write
from harness.records.run import StoredRun
from harness.records.seal import damaged_files
from harness.records.store import Results

STEPS = {"open", "write", "flush", "fsync", "close", "rename", "replace", "mkdir", "rmdir", "unlink"}


def carry_out(store: Results, made: StoredRun) -> None:
    """Do what is missing of the run, and seal it."""
    if made.id not in store.ids():
        if (store.folder / made.id).exists():
            return  # absent: its id is never used again
        store.begin(made.record)
    missing = store.find(made.id).missing
    for trial in made.trials:
        if trial.record.number in missing:
            scratch = store.scratch(made.id)
            write(scratch / "latency.hlog", b"#[" + bytes(100))
            (scratch / "sut.log").write_text("a log\n")
            store.keep(trial.record, scratch)
    store.seal(made.id, {"summary.json": "{}\n"})


def crash_at(step: int, store: Results, made: StoredRun) -> bool:
    """Carry the run out in a process that ends at a step; return whether it came to its end."""
    child = os.fork()
    if child == 0:
        steps = itertools.count()

        def count(_frame: FrameType, event: str, called: object) -> None:
            if event == "c_call" and getattr(called, "__name__", "") in STEPS and next(steps) == step:
                os._exit(9)

        sys.setprofile(count)
        carry_out(store, made)
        sys.setprofile(None)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def found(store: Results, made: StoredRun) -> dict[str, object]:
    """Return what the store says; raises where anything in it is not whole."""
    if made.id not in store.ids():
        return {"state": "absent", "kept": 0}
    stored = store.find(made.id)
    for trial in stored.trials:
        assert (trial.folder / "sut.log").read_text() == "a log\n"
        assert (trial.folder / "latency.hlog").read_bytes() == b"#[" + bytes(100)
    if stored.state == "sealed":
        assert not stored.missing
        assert not damaged_files(stored.folder)
    return {"state": stored.state, "kept": len(stored.trials)}


def main(folder: Path) -> None:
    """Crash at every step until the run comes to its end."""
    whole = synthetic.run(scenarios=("hello",), blocks=1, twin=None)
    made = synthetic.with_trials(whole, *whole.trials[:2])
    carry_out(Results(folder / "whole"), made)  # so that what is made once is made, before the forks
    for step in itertools.count():
        store = Results(folder / str(step))
        ended = crash_at(step, store, made)
        before = found(store, made)
        carry_out(store, made) if before["state"] != "sealed" else None
        told = {"step": step, **before, "after": found(store, made)["state"]}
        sys.stdout.write(json.dumps(told) + "\n")
        if ended:
            break


if __name__ == "__main__":
    main(Path(sys.argv[1]))
