"""What a client asks of the AI service, and what it is told."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, EmailStr, Field, HttpUrl, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from domain.description import Operation

MAX_BODY_BYTES = 1 << 20
"""Greater request bodies are refused before they are parsed."""


# What HttpUrl accepts of schemes it does not put into the JSON schema.
WebAddress = Annotated[HttpUrl, Field(json_schema_extra={"pattern": "^https?://"})]


class AIServiceRequest(BaseModel):
    """A request for generated text.

    Fields that it does not name are ignored. Errors come in the order of the fields.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model_name": "gpt-4",
                    "prompt": "What is a dynamometer?",
                    "contact_email": "someone@example.com",
                }
            ]
        }
    )

    # Both names share one anchored group: in `^gpt-\d+|llama-\d+$` each anchor would bind one of them only.
    # Rust's `$`, unlike Python's, does not match before a final newline; its `\d` is any script's digit.
    model_name: Annotated[str, Field(pattern=r"^(gpt|llama)-[0-9]+$")]
    prompt: Annotated[str, Field(min_length=5, max_length=2000)]
    temperature: Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)] = 0.7
    web_search: bool = False
    reference_urls: Annotated[list[WebAddress] | None, Field(validate_default=True)] = None
    contact_email: EmailStr

    @field_validator("reference_urls")
    @classmethod
    def _sources_for_a_search(cls, urls: list[HttpUrl] | None, info: ValidationInfo) -> list[HttpUrl] | None:
        if info.data.get("web_search") and not urls:
            raise PydanticCustomError(
                "reference_urls_required", "At least one reference URL is required for a web search"
            )
        return urls


class Task(TypedDict):
    """The work that an accepted request became."""

    task_id: str


class Accepted(TypedDict):
    """The answer to a valid request."""

    status: str
    data: Task


def accept(request: object) -> Accepted:  # noqa: ARG001 - the article's service keeps nothing of it
    """Take a valid request on, whatever validated it; every one gets the same task id, as in the article."""
    return {"status": "success", "data": {"task_id": "task_123456"}}


GENERATE = Operation(
    "generate",
    "Take a request for generated text on",
    answers=Accepted,
    takes=AIServiceRequest,
    refusals=(400, 413, 415, 422, 429),
)
