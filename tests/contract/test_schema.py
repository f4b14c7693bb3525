"""What is drawn from the OpenAPI document itself (schemathesis), against each base variant."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from served import APPS, VARIANTS, Served

SCHEMA = schemathesis.openapi.from_path(str(APPS / "contract" / "openapi.yaml"))

LEFT_OPEN = [negative_data_rejection, positive_data_acceptance]
"""Whether `"0.5"` is a number and 0 a boolean is left open by the contract; and what an address's domain, a
URL's host and a search without URLs may be is more than a schema says. The cases hold each of these rules."""


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
@SCHEMA.parametrize()
@settings(
    max_examples=60,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_the_variant_is_what_the_document_says(
    case: schemathesis.Case[Any], name: str, all_served: dict[str, Served]
) -> None:
    """Statuses, media types and bodies are those of the document, for right and for wrong requests."""
    case.call_and_validate(base_url=all_served[name].url, excluded_checks=[*LEFT_OPEN])
