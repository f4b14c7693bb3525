"""Bodies and answers are JSON, whatever a header asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class JsonAlone(BaseContentNegotiation):
    """Chooses what there is; which types of bodies are JSON the contract says, and no `Accept` is a 406."""

    def select_parser(self, _request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        """Choose the only one."""
        return next(iter(parsers))

    def select_renderer(
        self,
        _request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002 - REST framework names it
    ) -> tuple[BaseRenderer, str]:
        """Choose the only one."""
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class Parser(JSONParser):
    """JSON in UTF-8, which REST framework would read in any charset that the type names."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002 - the charset is in it
    ) -> dict[str, Any]:
        """Return what a body holds."""
        try:
            return super().parse(stream, media_type)
        except RecursionError as error:  # nested deeper than the parser goes
            raise ParseError from error
