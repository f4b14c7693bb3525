"""The smallest answer: what the framework itself costs.

`GET /json` answers `{"message": "Hello, World!"}`, without a database.
"""

from locust import task

from harness.loadgen.client import expect_json
from harness.loadgen.user import BenchUser

NEEDS = ()
ENDPOINTS = ("GET /json",)

HELLO = expect_json({"message": "Hello, World!"})


class Hello(BenchUser):
    """Asks for the greeting again and again."""

    @task
    def hello(self) -> None:
        """Ask once."""
        self.client.get("/json", expect=HELLO)
