"""Validates one request again and again by whichever Pydantic is installed; prints µs of CPU time a request.

Started by `pydantic.py` of the parent folder in an environment with one version; each line of standard input
begins a round and names a model.
"""

# What the two versions spell differently stands in both spellings, so types can't be checked.
import json
import sys
import time
from typing import List, Optional  # noqa: UP035 - as the article's time wrote it

import pydantic
from pydantic import BaseModel, EmailStr, Field, HttpUrl

ONE = pydantic.VERSION.startswith("1.")
REQUESTS = 20_000
PATTERN = {"regex" if ONE else "pattern": r"^(gpt|llama)-[0-9]+$"}


class Article(BaseModel):
    """The article's request (2.2.2), with its anchors mended."""

    model_name: str = Field(..., **PATTERN)
    prompt: str = Field(..., min_length=5, max_length=2000)
    temperature: float = Field(0.7, ge=0.0, le=1.0)
    web_search: bool = False
    reference_urls: Optional[List[HttpUrl]] = None  # noqa: UP006, UP045 - likewise
    contact_email: EmailStr


class Item(BaseModel):
    """A line of an order."""

    name: str = Field(..., max_length=80)
    price: float = Field(..., gt=0)
    quantity: int = Field(..., ge=1)


class Order(BaseModel):
    """Nested models of numbers and strings, as in the comparisons that speak of 5 to 10 times."""

    number: int
    items: List[Item]  # noqa: UP006 - likewise


BODIES = {
    Article: {
        "model_name": "gpt-4",
        "prompt": "What is a dynamometer?",
        "temperature": 0.5,
        "web_search": True,
        "reference_urls": ["https://example.com/a", "https://example.com/b"],
        "contact_email": "someone@example.com",
    },
    Order: {"number": 7, "items": [{"name": f"item {n}", "price": 1.5, "quantity": n} for n in range(1, 21)]},
}
MODELS = {model.__name__.lower(): model for model in BODIES}


def us_a_request(model: type[BaseModel]) -> float:
    """Return the mean CPU time of a request, from the parsed JSON to the model."""
    body = json.loads(json.dumps(BODIES[model]))
    validate = model.parse_obj if ONE else model.model_validate
    begun = time.thread_time()
    for _ in range(REQUESTS):
        validate(body)
    return (time.thread_time() - begun) / REQUESTS * 1e6


print(pydantic.VERSION, flush=True)
for line in sys.stdin:
    print(us_a_request(MODELS[line.strip()]), flush=True)
