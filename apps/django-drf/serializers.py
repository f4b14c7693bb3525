"""The rules of `domain.ai_request` as REST framework has them, named as the contract does."""

from __future__ import annotations

import math
from typing import Any, ClassVar, NoReturn

from django.core.validators import (
    EmailValidator,
    MaxLengthValidator,
    MinLengthValidator,
    RegexValidator,
    URLValidator,
)
from rest_framework import serializers


class OfOneType(serializers.Field[Any, Any, Any, Any]):
    """A value of one type, which null has not: the contract names its absence and null apart."""

    wrong_type: ClassVar[str]

    def fail(self, key: str, **words: Any) -> NoReturn:  # noqa: ANN401 - REST framework's
        """Refuse the value by a rule."""
        super().fail(self.wrong_type if key == "null" else key, **words)


class Text(OfOneType):
    """A text as it is; `CharField` takes numbers for text, trims it, and refuses a NUL in it."""

    wrong_type = "string_type"
    default_error_messages: ClassVar = {
        "string_type": "Input should be a valid string",
        "string_unicode": "Input should be a valid string of Unicode",
    }

    def to_internal_value(self, data: Any) -> str:  # noqa: ANN401 - any JSON
        """Return the text."""
        if not isinstance(data, str):
            self.fail(self.wrong_type)
        try:
            data.encode()
        except UnicodeEncodeError:  # half of a pair of surrogates, which JSON can write
            self.fail("string_unicode")
        return data


class Number(OfOneType, serializers.FloatField):
    """A number that is finite."""

    wrong_type = "float_type"
    default_error_messages: ClassVar = {
        "float_type": "Input should be a valid number",
        "float_parsing": "Input should be a valid number, unable to parse string as a number",
        "finite_number": "Input should be a finite number",
    }

    def to_internal_value(self, data: Any) -> float:  # noqa: ANN401 - any JSON
        """Return the number."""
        if not isinstance(data, (int, float, str)):
            self.fail("float_type")
        try:
            number = float(data)
        except ValueError:
            self.fail("float_parsing")
        except OverflowError:  # an integer of hundreds of digits
            self.fail("float_type")
        if not math.isfinite(number):
            self.fail("finite_number")
        return number


class Flag(OfOneType, serializers.BooleanField):
    """Yes or no."""

    wrong_type = "bool_type"
    default_error_messages: ClassVar = {
        "bool_type": "Input should be a valid boolean",
        "bool_parsing": "Input should be a valid boolean, unable to interpret input",
    }

    def fail(self, key: str, **words: Any) -> NoReturn:  # noqa: ANN401 - REST framework's
        """Refuse the value, which `BooleanField` calls `invalid` whatever it is."""
        if key == "invalid":
            key = "bool_parsing" if isinstance(words["input"], (str, int)) else "bool_type"
        super().fail(key, **words)


class WebAddressValidator(URLValidator):
    """Django's, for addresses as long as Pydantic's."""

    max_length = 2083


class WebAddress(Text):
    """The address of a page."""

    wrong_type = "url_type"
    default_error_messages: ClassVar = {
        "url_type": "URL input should be a string or URL",
        "url_scheme": "URL scheme should be 'http' or 'https'",
        "url_too_long": "URL should have at most 2083 characters",
    }
    default_validators = (WebAddressValidator(schemes=("http", "https"), code="url_parsing"),)

    def to_internal_value(self, data: Any) -> str:  # noqa: ANN401 - any JSON
        """Return the address."""
        address = super().to_internal_value(data)
        if len(address) > WebAddressValidator.max_length:
            self.fail("url_too_long")
        scheme, colon, _ = address.partition(":")
        if colon and scheme.lower() not in ("http", "https"):
            self.fail("url_scheme")
        return address


class AIServiceRequest(serializers.Serializer[Any]):
    """A request for generated text."""

    model_name = Text(validators=[RegexValidator(r"^(gpt|llama)-[0-9]+\Z", code="string_pattern_mismatch")])
    prompt = Text(validators=[MinLengthValidator(5), MaxLengthValidator(2000)])
    temperature = Number(min_value=0.0, max_value=1.0, default=0.7)
    web_search = Flag(default=False)
    reference_urls = serializers.ListField(child=WebAddress(), allow_null=True, default=None)
    contact_email = Text(validators=[EmailValidator(code="value_error", allowlist=[])])

    searches = False
    """What `web_search` says, where it says anything."""

    def validate_web_search(self, searches: bool) -> bool:
        """Keep it for the next field; `validate` would not run where another field breaks a rule."""
        self.searches = searches
        return searches

    def validate_reference_urls(self, urls: list[str] | None) -> list[str] | None:
        """Refuse a search without sources."""
        if self.searches and not urls:
            raise serializers.ValidationError(
                "At least one reference URL is required for a web search", code="reference_urls_required"
            )
        return urls
