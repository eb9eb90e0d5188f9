"""Everything personal taken out of records: what is left is what the rules looked at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from msgspec import Struct
from msgspec.structs import fields, replace

from greenroom.domain.message import (
    SYSTEM,
    CallId,
    Decided,
    EntryId,
    Event,
    EventId,
    RequestId,
    StreamId,
    Team,
    UserId,
)
from greenroom.domain.session_events import RecordedFile

_NUMBERED: Final[Mapping[Any, str]] = {
    UserId: "user",
    EntryId: "entry",
    EventId: "event",
    RequestId: "request",
    Team: "team",
}
"""Ids that are replaced by a number of their kind, the same one wherever they stand."""
_CONFIGURED: Final = frozenset({"call_type", "based_on", "settings", "grants", "indexed_custom"})
"""Fields that the embedder's configuration says, and no person."""
_WORDED: Final = frozenset({"title", "body"})
"""Settings that are words for people."""
_KNOWN: Final = frozenset({"busy", "decline", "cancel", "timeout", "opus", "VP8", "H264"})
"""Words that are nobody's own: answers that the rules know, and codecs."""


class Redaction:
    """Replaces the ids and the words of one call's records; the same id by the same number.

    Roles, instants, settings, grants and reasons stay: the rules depend on them. Custom data and
    names are dropped, free words are `redacted`, those of notifications too, and files of
    recordings are numbered. Parts of the system keep their names.

    Args:
        cid: of the call.
    """

    def __init__(self, cid: CallId) -> None:
        self._old_cid = cid
        self.cid: Final = CallId(f"{cid.partition(':')[0]}:captured")
        """What the call is called from now on."""
        self._numbers: dict[tuple[str, str], str] = {}

    def record(self, record: Decided[Event]) -> Decided[Event]:
        """The same without anything personal."""
        event = record.event
        dropped = set(event.personal) | {"custom"}
        hints = get_type_hints(type(event))
        said = {
            one.name: self._field(one.name, getattr(event, one.name), hints[one.name])
            for one in fields(event)
            if one.name not in dropped
        }
        cause = record.causation_id
        by = record.by
        return Decided(
            stream=self._stream(record.stream),
            version=record.version,
            event=type(event)(**said),
            event_id=EventId(self._number("event", record.event_id)),
            by=replace(
                by,
                name=by.name if by.system else self._number("user", by.name),
                teams=tuple(Team(self._number("team", one)) for one in by.teams),
            ),
            request_id=RequestId(self._number("request", record.request_id)),
            correlation_id=RequestId(self._number("request", record.correlation_id)),
            causation_id=None if cause is None else EventId(self._number("event", cause)),
        )

    def _field(self, name: str, value: Any, hint: Any) -> Any:
        if name == "settings":
            return _without_words(value)
        return value if name in _CONFIGURED else self._value(value, hint)

    def _value(self, value: Any, hint: Any) -> Any:
        if value is None:
            return None
        origin, inner = get_origin(hint), get_args(hint)
        if origin in {Union, UnionType}:
            return self._value(value, next(one for one in inner if one is not NoneType))
        if hint is CallId:
            return self.cid
        if hint in _NUMBERED:
            return self._number(_NUMBERED[hint], value)
        if origin is tuple:
            return tuple(self._value(one, inner[0]) for one in value)
        if isinstance(value, RecordedFile):
            name = self._number("file", value.name)
            codec, failure = _word(value.codec), _word(value.failure)
            return replace(value, name=name, codec=codec, sha256="redacted", failure=failure)
        if isinstance(value, Struct):
            hints = get_type_hints(type(value))
            changed = {
                one.name: self._value(getattr(value, one.name), hints[one.name])
                for one in fields(value)
            }
            return type(value)(**changed)
        if hint is str:
            return _word(value)
        assert isinstance(value, bool | int | float | datetime | Enum | str), hint
        return value

    def _stream(self, stream: StreamId) -> StreamId:
        kind, _, rest = stream.partition("-")
        if kind == "type":
            return stream
        if kind == "user":
            return StreamId(f"user-{self._number('user', rest)}")
        inside = rest.removeprefix(self._old_cid)
        if kind == "member":
            inside = f"/{self._number('user', inside[1:])}"
        return StreamId(f"{kind}-{self.cid}{inside}")

    def _number(self, kind: str, value: str) -> str:
        if value.startswith(SYSTEM):
            return value
        of_kind = sum(1 for one, _ in self._numbers if one == kind)
        return self._numbers.setdefault((kind, value), f"{kind}-{of_kind + 1}")


def _word(value: str) -> str:
    """What somebody has said; what is nobody's own stays."""
    return value if value in _KNOWN or not value else "redacted"


def _without_words(settings: Any) -> Any:
    """Settings without the words of notifications."""
    if not isinstance(settings, Mapping):
        return settings
    return {
        name: _word(value) if name in _WORDED and isinstance(value, str) else _without_words(value)
        for name, value in settings.items()
    }
