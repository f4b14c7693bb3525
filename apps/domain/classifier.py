"""What a text is about: an ONNX model that takes code points and gives the number of a category."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from domain.description import Operation

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class ClassifyRequest(BaseModel):
    """A text to be classified."""

    text: Annotated[str, Field(min_length=1, max_length=5000)]


class Classified(TypedDict):
    """The answer."""

    category: str


CLASSIFY = Operation(
    "classify",
    "Tell what a text is about",
    answers=Classified,
    takes=ClassifyRequest,
    refusals=(400, 413, 415, 422, 429, 503),
)


@dataclass(frozen=True, slots=True)
class Classifier:
    """A model that is loaded; threads may share it."""

    session: InferenceSession
    categories: tuple[str, ...]
    """In the order of the model's outputs."""

    def classify(self, request: ClassifyRequest) -> Classified:
        """Return the category of a text; the model computes on one CPU, without the interpreter's lock."""
        import numpy as np  # is loaded by then; see open_classifier

        codepoints = np.frombuffer(request.text.lower().encode("utf-32-le"), np.int32).astype(np.int64)
        (number,) = self.session.run(["category"], {"codepoints": codepoints})[0]
        return {"category": self.categories[number]}


def open_classifier(path: str | None) -> Classifier | None:
    """Load the model of a file; None where the service was started without one."""
    if path is None:
        return None
    import onnxruntime  # takes 60 MB, which nobody should pay who classifies nothing

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # requests run beside each other; threads of one would fight for the cap
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    categories = json.loads(session.get_modelmeta().custom_metadata_map["categories"])
    return Classifier(session, tuple(categories))
