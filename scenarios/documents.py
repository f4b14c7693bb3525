"""Documents that are sealed before they are written: transactions and encryption, one write to nine reads.

`GET /api/ai/documents/{document_id}` reads one of the thousand that are there from the start, drawn at
random; `POST /api/ai/documents` adds one more, which is taken away again before the next trial. Either costs
most of a millisecond of CPU time; with more users than these they only queue.
"""

from locust import task

from harness.loadgen.client import Expect
from harness.loadgen.http import Response
from harness.loadgen.user import BenchUser

NEEDS = ("postgres", "keys")
ENDPOINTS = ("POST /api/ai/documents", "GET /api/ai/documents/{document_id}")
USERS = 200

DOCUMENTS = 1000
NEW = {"title": "A report on dynamometers", "content": "What is sealed here is read by nobody else. " * 25}


def document(number: int) -> Expect:
    """Return the check of one document that is there from the start: all of it but when it was made."""
    due = {
        "id": number,
        "title": f"document {number}",
        "content": f"Document {number}. "
        + "What is sealed here is read by nobody else. " * (5 + number % 40),
    }

    def check(response: Response) -> str | None:
        body = response.json()
        created = body.pop("created")
        return None if body == due and created.startswith("2025-01-0") else f"not document {number}"

    return Expect(200, check)


def is_new(response: Response) -> str | None:
    """Return a complaint unless the answer is the id of a document that was not there before."""
    body = response.json()
    new = set(body) == {"id"} and isinstance(body["id"], int) and body["id"] > DOCUMENTS
    return None if new else f"no id of a new document: {response.text[:80]}"


SEEDED = [document(number) for number in range(1, DOCUMENTS + 1)]
ADDED = Expect(201, is_new)


class Documents(BenchUser):
    """Reads and adds documents, nine to one."""

    @task(9)
    def read(self) -> None:
        """Read one."""
        number = self.random.randint(1, DOCUMENTS)
        self.client.get(
            f"/api/ai/documents/{number}",
            name="GET /api/ai/documents/{document_id}",
            expect=SEEDED[number - 1],
        )

    @task(1)
    def add(self) -> None:
        """Add one."""
        self.client.post("/api/ai/documents", json=NEW, name="POST /api/ai/documents", expect=ADDED)
