"""A user's journey by a client that was generated from a variant's own document.

Run as `python journey.py FOLDER URL PASSWORD`; FOLDER holds the package `client`.
"""

from __future__ import annotations

import importlib
import secrets
import sys
from typing import Any

import httpx


def main(folder: str, url: str, password: str) -> None:
    """Do what a user does; raise where an answer is not the one that is due."""
    sys.path.insert(0, folder)
    package = importlib.import_module("client")
    patient = httpx.Timeout(60)
    anybody = package.Client(base_url=url, timeout=patient, raise_on_unexpected_status=True)
    models = importlib.import_module("client.models")

    def answer_of(operation: str, client: Any, **arguments: Any) -> Any:  # noqa: ANN401 - generated
        module = importlib.import_module(f"client.api.default.{operation}")
        return module.sync_detailed(client=client, **arguments)

    def ask(operation: str, client: Any = anybody, **arguments: Any) -> Any:  # noqa: ANN401 - generated
        return answer_of(operation, client, **arguments).parsed

    assert ask("healthz").additional_properties == {"status": "ok"}
    assert ask("hello").additional_properties == {"message": "Hello, World!"}
    wish = models.AIServiceRequest(
        model_name="gpt-4", prompt="What is a dynamometer?", contact_email="someone@example.com"
    )
    assert ask("generate", body=wish).data.task_id == "task_123456"
    wish.temperature = 2.0
    refused = ask("generate", body=wish)
    assert refused.code == "validation_failed"
    assert [detail.field for detail in refused.details] == ["temperature"]
    kept = ask("add_document", body=models.NewDocument(title="A title", content="Words of any length"))
    document = ask("document", document_id=kept.id)
    assert (document.id, document.title, document.content) == (kept.id, "A title", "Words of any length")
    text = models.ClassifyRequest(text="Melt the butter in a pan, add onion and garlic, and let it boil.")
    assert ask("classify", body=text).category == "cooking"
    wrong = ask("token", body=models.TokenForm(username="webdyno", password="wrong"))
    assert wrong.code == "unauthorized"
    granted = ask("token", body=models.TokenForm(username="webdyno", password=password))
    user = package.AuthenticatedClient(base_url=url, timeout=patient, token=granted.access_token)
    task = models.TextRequest.from_dict(
        {"task_type": "summary", "content": f"What is a dynamometer for? {secrets.token_hex(8)}"}
    )
    first, second = (answer_of("text", user, body=task) for _ in range(2))
    assert [first.headers["x-cache"], second.headers["x-cache"]] == ["miss", "hit"]
    assert first.parsed == second.parsed
    assert first.parsed.task_type == "summary"
    assert first.parsed.result
    stranger = package.AuthenticatedClient(base_url=url, timeout=patient, token="of somebody else")
    history = ask("history", user_id=7)
    assert len(history.history) == 100
    assert " of user 7: " in history.history[0].content
    assert ask("text", client=stranger, body=task).code == "unauthorized"


if __name__ == "__main__":
    main(*sys.argv[1:])
