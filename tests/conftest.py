"""Puts this folder on the path, so that every test finds the builders beside it."""

import os

import httpx
from hypothesis import HealthCheck, settings

# No test asserts a time: on a busy machine an example takes as long as it takes.
settings.register_profile("webdyno", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("webdyno")

# And so does an answer; a test that is about the time gives its own bound in place of httpx's five seconds.
for function in (httpx.get, httpx.head, httpx.post, httpx.request, httpx.Client.__init__):
    function.__kwdefaults__["timeout"] = 60.0

# Or an engine that happens to run would be taken by tests of what is done without one.
os.environ.setdefault("WEBDYNO_BACKEND", "cgroup")
