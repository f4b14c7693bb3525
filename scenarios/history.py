"""A user's chat history: about 100 rows by one indexed query, out of 100 000.

`GET /api/ai/history/{user_id}`; each request is for a user drawn at random, so that no cache of one
answer would help.
"""

from locust import task

from harness.loadgen.client import Expect
from harness.loadgen.http import Response
from harness.loadgen.user import BenchUser

NEEDS = ("postgres",)
ENDPOINTS = ("GET /api/ai/history/{user_id}",)

IDS = 1000
ROWS = 100


def history_of(user_id: int) -> Expect:
    """Return the check of one user's history: whose it is, every row, and their order."""

    def check(response: Response) -> str | None:
        body = response.json()
        rows = body["history"]
        if set(body) != {"user_id", "history"} or body["user_id"] != user_id:
            return f"not the history of user {user_id}: {response.text[:80]}"
        if len(rows) != ROWS:
            return f"{len(rows)} rows where {ROWS} were due"
        owner = f" of user {user_id}: "
        if not all(set(row) == {"content", "time"} and owner in row["content"] for row in rows):
            return f"a row that is not of user {user_id}"
        times = [row["time"] for row in rows]
        return None if times == sorted(times) else "the rows are not in order of time"

    return Expect(200, check)


HISTORIES = [history_of(user_id) for user_id in range(1, IDS + 1)]


class History(BenchUser):
    """Reads the history of one user after the other."""

    @task
    def history(self) -> None:
        """Read one history."""
        user_id = self.random.randint(1, IDS)
        self.client.get(
            f"/api/ai/history/{user_id}",
            name="GET /api/ai/history/{user_id}",
            expect=HISTORIES[user_id - 1],
        )
