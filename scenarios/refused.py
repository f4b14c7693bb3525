"""A client that asks far too often: what it costs to turn a request away.

`POST /api/ai/generate` by one client (all users have one address), whose ten requests of the hour are over
before the load begins. From then on every request is refused by 429, whatever the variant's speed: with a
limit that let some in, a faster variant would be refused more often, and refusals are cheap.
"""

import validate
from locust import task

from harness.loadgen.client import Expect
from harness.loadgen.http import Response
from harness.loadgen.user import BenchUser

NEEDS = ("valkey", "rate-limit")
ENDPOINTS = ("POST /api/ai/generate",)

MOST = 10
"""How many requests the service lets in."""
PERIOD_S = 3600


def is_refusal(response: Response) -> str | None:
    """Return a complaint unless the answer says that it was too often, and for how long."""
    wait = response.headers.get("retry-after") or ""
    good = response.json()["code"] == "too_many_requests"
    good = good and wait.isdecimal() and 1 <= int(wait) <= PERIOD_S
    return None if good else f"no refusal: Retry-After {wait!r}, {response.text[:80]}"


def is_either(response: Response) -> str | None:
    """Return a complaint unless the request was taken on or refused."""
    if response.status == 429:
        return is_refusal(response)
    complaint = validate.ACCEPTED.complaint(response)
    return None if complaint is None else complaint[1]


REFUSED = Expect(429, is_refusal)
EITHER = Expect((200, 429), is_either)


class Refused(BenchUser):
    """Asks in vain, again and again."""

    def on_start(self) -> None:
        """Ask until refused, so that nobody is let in any more."""
        for _ in range(MOST + 1):
            answer = self.client.post("/api/ai/generate", json=validate.VALID, expect=EITHER)
            if answer is not None and answer.status == 429:
                return
        raise RuntimeError(f"nothing was refused after {MOST} requests")

    @task
    def ask(self) -> None:
        """Ask once more."""
        self.client.post("/api/ai/generate", json=validate.VALID, expect=REFUSED)
