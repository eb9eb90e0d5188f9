"""What notifications say: titles and bodies with places for facts about the call and the user."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from string import Template
from typing import Any


class Wording(Template):
    """Text in which `${call.<path>}` and `${user.<path>}` stand for facts.

    Paths are dotted: `${call.custom.topic}`. What is not there reads as nothing. Only the form
    with braces counts, so prices (`$5`) and shell words stay as they are; `$$` is one `$`.
    A fact is never searched for places: what a user calls themselves cannot name other facts.

    Example:
        >>> facts = {"call": {"cid": "default:1"}, "user": {"name": "Thierry ${call.cid}"}}
        >>> Wording("${user.name} pays $5 for ${call.cid}${call.custom.topic}").filled(facts)
        'Thierry ${call.cid} pays $5 for default:1'
    """

    idpattern = r"(?!)"  # no place without braces
    braceidpattern = r"[A-Za-z_][\w-]*(?:\.[\w-]+)*"

    def filled(self, facts: Mapping[str, Any]) -> str:
        """The text with the facts in their places."""
        return self.safe_substitute(_Flat(facts))


class _Flat(Mapping[str, str]):
    """Nested facts by dotted path; every path has a value."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = facts

    def __getitem__(self, path: str) -> str:
        value: Any = self._facts
        for step in path.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        match value:
            case None:
                return ""
            case str():
                return value
            case _:
                return json.dumps(value, ensure_ascii=False, default=str)

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)
