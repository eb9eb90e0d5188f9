"""Whom events are about."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import get_args

from msgspec.structs import fields

from greenroom.domain.message import Event, UserId


def concerned(event: Event) -> Iterator[UserId]:
    """The users whom `event` names, field by field; one may be named twice."""
    one, several = _naming(type(event))
    for field in one:
        user_id = getattr(event, field)
        if user_id is not None:
            yield user_id
    for field in several:
        yield from getattr(event, field)


@cache
def _naming(kind: type[Event]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields that hold a user id, and those that hold several."""
    one: list[str] = []
    several: list[str] = []
    for field in fields(kind):
        if field.type == UserId or UserId in get_args(field.type):
            (several if _is_tuple(field.type) else one).append(field.name)
    return tuple(one), tuple(several)


def _is_tuple(annotation: object) -> bool:
    return getattr(annotation, "__origin__", None) is tuple
