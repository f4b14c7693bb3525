"""The pages that show the OpenAPI document, whole in themselves: they load nothing but the document."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from domain.description import TITLE

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""

_SWAGGER = """\
<div id="swagger-ui"></div>
<script>{bundle}</script>
<script>SwaggerUIBundle({{url: "openapi.json", dom_id: "#swagger-ui"}});</script>"""

# Telemetry would tell Redoc's makers of each visit.
_REDOC = """\
<div id="redoc"></div>
<script type="module">{bundle}
init("openapi.json", {{disableTelemetry: true}}, document.getElementById("redoc"));</script>"""

_LOGO = re.compile(r"https://cdn\.redoc\.ly/[\w./-]+")
"""The one thing that Redoc loads from elsewhere; without it, it shows its name alone."""


@cache
def swagger() -> str:
    """Return the page of Swagger UI."""
    body = _SWAGGER.format(bundle=_part("swagger_bundle.js"))
    return _PAGE.format(title=f"{TITLE}: Swagger UI", style=_part("swagger_style.css"), body=body)


@cache
def redoc() -> str:
    """Return the page of Redoc."""
    body = _REDOC.format(bundle=_LOGO.sub("data:,", _part("redoc.js")))
    return _PAGE.format(title=f"{TITLE}: Redoc", style="body { margin: 0 }", body=body)


def _part(name: str) -> str:
    # The package's own templates come only all at once, and with a layout that asks a validator elsewhere.
    return (files("offapi") / name).read_text(encoding="utf-8")
