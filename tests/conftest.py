"""Puts this folder on the path, so that every test finds the builders beside it."""

import os

from hypothesis import settings

# No test asserts a time: on a busy machine an example takes as long as it takes.
settings.register_profile("webdyno", deadline=None)
settings.load_profile("webdyno")

# Or an engine that happens to run would be taken by tests of what is done without one.
os.environ.setdefault("WEBDYNO_BACKEND", "cgroup")
