"""The smallest answer by TLS: what encryption costs on connections that are kept.

`GET /json` as in `hello`, so that the difference between the two is TLS's. The handshakes are not part of
it: each user connects once, before the barrier, and stays connected.
"""

from locust import task

from harness.loadgen.client import expect_json
from harness.loadgen.user import BenchUser

NEEDS = ("tls",)
ENDPOINTS = ("GET /json",)

HELLO = expect_json({"message": "Hello, World!"})


class Tls(BenchUser):
    """Asks for the greeting again and again."""

    @task
    def hello(self) -> None:
        """Ask once."""
        self.client.get("/json", expect=HELLO)
