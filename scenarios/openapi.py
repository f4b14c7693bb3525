"""A document of some kilobytes that is kept: what it costs to write JSON and to send it.

`GET /openapi.json` answers the OpenAPI document, which is made once and written as JSON at each request.
"""

from locust import task

from harness.loadgen.client import Expect
from harness.loadgen.http import Response
from harness.loadgen.user import BenchUser

NEEDS = ()
ENDPOINTS = ("GET /openapi.json",)

DESCRIBED = frozenset({"/healthz", "/json", "/api/ai/history/{user_id}", "/api/ai/generate"})


def is_the_document(response: Response) -> str | None:
    """Return a complaint unless this is an OpenAPI document of the service, to its end."""
    document = response.json()
    if not str(document["openapi"]).startswith("3."):
        return f"OpenAPI {document['openapi']!r:.20} where 3 was due"
    missing = DESCRIBED - document["paths"].keys()
    if missing:
        return f"a document without {', '.join(sorted(missing))}"
    return None if document["components"]["schemas"] else "a document without schemas"


DOCUMENT = Expect(200, is_the_document)


class OpenApi(BenchUser):
    """Reads the document again and again."""

    @task
    def document(self) -> None:
        """Read it once."""
        self.client.get("/openapi.json", expect=DOCUMENT)
