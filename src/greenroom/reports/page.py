"""How pages are made: templates, and the promise that a page runs nothing that is not its own."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

TEMPLATES: Final = "templates"


def page(template: str, **told: Any) -> str:
    """A whole page; everything that is told is data, and escaped.

    Args:
        template: its name; a script and a style of the same name may stand beside it.
        **told: what the template shows.
    """
    name = template.partition(".")[0]
    style, script = _own("page.css") + _own(f"{name}.css"), _own(f"{name}.js")
    policy = (
        f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)};"
        " base-uri 'none'; form-action 'none'"
    )
    found = _environment().get_template(template)
    return found.render(policy=policy, style=style, script=script, **told)


def printable(value: object) -> str:
    """`value` as text, with everything that could steer a terminal or turn a line around spelt out.

    Structures are JSON.
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def moment(at: datetime | None) -> str:
    """An instant as pages show it, in UTC: `2026-01-01 12:00:00`."""
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def lasted(seconds: float) -> str:
    """Hours, minutes and seconds: `1:05:09`."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"


def _own(name: str) -> str:
    file = files("greenroom.reports") / TEMPLATES / name
    return file.read_text("utf-8") if file.is_file() else ""


def _digest(text: str) -> str:
    """How a content security policy names the one script or style that may be."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("greenroom.reports", TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    made.filters.update(moment=moment, lasted=lasted, printable=printable)
    return made
