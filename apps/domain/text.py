"""Text by a language model: what may be asked, the prompt that it becomes, and what it is kept by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from domain.description import Operation

TaskType = Literal["summary", "translation", "creation"]
Cached = Literal["hit", "miss"]
"""What `X-Cache` says."""

_PROMPTS: Mapping[TaskType, str] = {
    "summary": "总结以下内容({target_language}):{content}",
    "translation": "翻译为{target_language}:{content}",
    "creation": "基于以下内容创作{target_language}文案:{content}",
}


class TextRequest(BaseModel):
    """A request for a text; fields that it does not name are ignored."""

    task_type: TaskType
    content: Annotated[str, Field(min_length=10, max_length=5000)]
    target_language: Annotated[str, Field(max_length=35, pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] = "zh"


class TextAnswer(TypedDict):
    """The answer."""

    task_type: TaskType
    result: str


TEXT = Operation(
    "text",
    "Return a text, from the cache where it was written before",
    answers=TextAnswer,
    headers={"X-Cache": "`hit` or `miss`"},
    takes=TextRequest,
    refusals=(400, 401, 413, 415, 422, 429, 503),
    secured=True,
)


def prompt_for(request: TextRequest) -> str:
    """Return what the language model is asked."""
    return _PROMPTS[request.task_type].format(
        target_language=request.target_language, content=request.content
    )


def cache_key(request: TextRequest) -> str:
    """Return what the text is kept by: equal for equal requests alone, however they were written."""
    asked = json.dumps([request.task_type, request.target_language, request.content])
    return f"text:{hashlib.sha256(asked.encode()).hexdigest()}"


def text_body(request: TextRequest, result: str) -> TextAnswer:
    """Return the answer with a text."""
    return {"task_type": request.task_type, "result": result}
