"""A request body with many rules: what parsing and validation cost.

`POST /api/ai/generate` takes the article's request model. Nine of ten requests are valid; the tenth
breaks three rules and must be refused with 422 and all three of them.
"""

from locust import task

from harness.loadgen.client import Expect, expect_json
from harness.loadgen.http import Response
from harness.loadgen.user import BenchUser

NEEDS = ()
ENDPOINTS = ("POST /api/ai/generate",)

VALID = {
    "model_name": "gpt-4",
    "prompt": "Compare the throughput of three web frameworks. " * 4,
    "temperature": 0.3,
    "web_search": True,
    "reference_urls": ["https://example.com/a", "https://example.com/b?page=2"],
    "contact_email": "someone@example.com",
}
BROKEN = {**VALID, "temperature": 1.5, "prompt": "hi", "model_name": "gpt-four"}
ACCEPTED = expect_json({"status": "success", "data": {"task_id": "task_123456"}})


def names_all_three(response: Response) -> str | None:
    """Return a complaint unless exactly the three broken fields are named."""
    fields = sorted(detail["field"] for detail in response.json()["details"])
    due = ["model_name", "prompt", "temperature"]
    return None if fields == due else f"{fields} where {due} were due"


REFUSED = Expect(422, names_all_three)


class Validate(BenchUser):
    """Sends valid and broken requests, nine to one."""

    @task(9)
    def valid(self) -> None:
        """Send a request that keeps every rule."""
        self.client.post("/api/ai/generate", json=VALID, name="POST valid", expect=ACCEPTED)

    @task(1)
    def broken(self) -> None:
        """Send a request that breaks three."""
        self.client.post("/api/ai/generate", json=BROKEN, name="POST broken", expect=REFUSED)
