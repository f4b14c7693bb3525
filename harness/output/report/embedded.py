"""What a page carries in itself: JSON islands, our script and style, and the policy that names them."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import jinja2.utils
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

HERE = Path(__file__).parent
ECHARTS = HERE / "vendor" / "echarts"
LIBRARY = ECHARTS / "echarts.common.min.js"
"""The smaller of the published builds that has all that the charts use: two thirds of the whole library."""


def rendered(template: str, script: str, style: str, **given: object) -> str:
    """Return the page of a template, which runs this script and no other; all that is given is escaped."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["code"] = _code
    environment.filters["island"] = island
    return environment.get_template(template).render(
        policy=policy(script, style),
        script=Markup(script),  # noqa: S704 - our own files
        style=Markup(style),  # noqa: S704 - our own file
        **given,
    )


def script() -> str:
    """Return the chart library, then our own script."""
    return f"{LIBRARY.read_text(encoding='utf-8')}\n{own('page.js')}"


def style() -> str:
    """Return our own style sheet."""
    return own("page.css")


def own(name: str) -> str:
    """Return a file of ours beside this one."""
    return (HERE / name).read_text(encoding="utf-8")


def policy(script: str, style: str) -> str:
    """Return the Content-Security-Policy: nothing from elsewhere, and of the page's own these two alone."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def island(data: object) -> Markup:
    """Return data as JSON that can't end the element around it: `<`, `>`, `&` and quotes are escaped."""
    return jinja2.utils.htmlsafe_json_dumps(data, separators=(",", ":"), allow_nan=False)


def _code(text: str) -> Markup:
    """Return text whose parts between backticks are code."""
    parts = text.split("`")
    marked = (
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part)
        for index, part in enumerate(parts)
    )
    return Markup("").join(marked)


def _hash(text: str) -> str:
    """Return the source of an element that holds this text, as Content Security Policy 3 has it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
