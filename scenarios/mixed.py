"""The whole service: a user who does all that the other scenarios do, one thing after the other, at random.

Of 100 requests 30 read a history, 18 read a document and 2 add one, 16 ask for a text (62 % of which were
asked for before), 10 are validated, 10 classified, 8 want the greeting, 5 a token, and one the OpenAPI
document. A user has the same sequence of tasks in every variant. A request costs one or two milliseconds of
CPU time on average; with more users than these they only queue.
"""

import auth
import classify
import documents
import hello
import history
import openapi
import text
import validate

NEEDS = ("keys", "postgres", "valkey", "llm", "classifier")
ENDPOINTS = (
    "GET /json",
    "GET /openapi.json",
    "POST /token",
    "GET /api/ai/history/{user_id}",
    "POST /api/ai/generate",
    "POST /api/ai/text",
    "POST /api/ai/classify",
    "POST /api/ai/documents",
    "GET /api/ai/documents/{document_id}",
)
USERS = 100


class Mixed(text.Text):
    """Does one thing after the other; as in `text`, it has a token and a text before it begins.

    The other scenarios' modules are imported, not their users: Locust would start all that it finds here.
    """

    tasks = {  # noqa: RUF012 - read by Locust, which makes a list of it
        history.History.history: 30,
        documents.Documents.read: 18,
        documents.Documents.add: 2,
        text.Text.text: 15,  # and the one that it has from its class
        validate.Validate.valid: 9,
        validate.Validate.broken: 1,
        classify.Classify.classify: 10,
        hello.Hello.hello: 8,
        auth.Auth.token: 5,
        openapi.OpenApi.document: 1,
    }
