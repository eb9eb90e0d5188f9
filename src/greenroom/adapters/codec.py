"""How a record is stored: its event's name beside one canonical JSON document.

    {"id": ..., "by": {...}, "request_id": ..., "correlation_id": ..., "causation_id": ...,
     "sealed": {"keys": [...], "box": "..."},          only where something personal is in it
     "event": {...}}

Every field of the event is written, also where it equals its default, so that a default may
change without changing history. Personal fields that are not empty are in `sealed` instead.
Names and documents are a format: `tests/house/golden` holds one of each.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Generic, TypeVar

from msgspec import UNSET, MsgspecError, Struct, UnsetType, defstruct, to_builtins
from msgspec.json import Decoder, Encoder
from msgspec.structs import asdict, fields, replace

from greenroom.adapters.compiling import COMPILING
from greenroom.adapters.sealing import Sealed, SubjectKey, seal, unseal
from greenroom.domain.errors import InvalidInput, StoreError
from greenroom.domain.message import (
    Actor,
    Decided,
    Event,
    EventId,
    Recorded,
    RequestId,
    StreamId,
)
from greenroom.domain.ports import Damaged
from greenroom.domain.streams import EVENTS, subjects

Row = tuple[int, str, int, str, bytes]
"""A record as it is stored: position, stream, version, stored name, document."""
Content = tuple[int, str, bytes]
"""What folding needs of a row: version, stored name, document."""
FindKeys = Callable[[Sequence[str]], Sequence[SubjectKey | None]]
"""The present keys of subjects, in their order; None for one that has none."""
HoldKeys = Callable[[Sequence[str]], Sequence[SubjectKey]]
"""The keys of subjects, in their order; each has one."""

E = TypeVar("E")
T = TypeVar("T")


class _Unreadable(StoreError):  # noqa: N818 - the fact that a record is
    """It is the record's fault, not that of the store."""


class _Document(
    Struct, Generic[E], frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True
):
    """All of a record that its place in the log does not say, in the order it is written."""

    id: EventId
    by: Actor
    request_id: RequestId
    correlation_id: RequestId
    causation_id: EventId | None
    sealed: Sealed | UnsetType = UNSET
    event: E


class _Content(Struct, Generic[E], frozen=True, gc=False, kw_only=True):
    """The part of a document that folding needs; the rest is skipped."""

    sealed: Sealed | UnsetType = UNSET
    event: E


@dataclass(frozen=True, slots=True)
class _Format:
    """The compiled reading of one kind of event."""

    document: Callable[[bytes], _Document[Event]]
    content: Callable[[bytes], _Content[Event]]


_write: Final = Encoder().encode
_UNREADABLE: Final = (MsgspecError, ValueError, RecursionError)
"""What reading a document raises that is not as we write them."""


def sealed_for(decided: Decided[Event]) -> Sequence[str]:
    """The subjects whose keys it takes to encode the event; none where it has nothing personal."""
    event = decided.event
    for name in event.personal:
        if getattr(event, name):
            return subjects(decided.stream)
    return ()


def encode(decided: Decided[Event], find_keys: HoldKeys) -> bytes:
    """The stored document of one event.

    Args:
        decided: the event with its place and origin.
        find_keys: asked only where something personal has to be sealed, for all of `sealed_for`.

    Raises:
        InvalidInput: the event holds something that JSON cannot: NaN, half a character, or
            lists in lists in lists beyond what can be read again.
    """
    event = decided.event
    personal = {name: value for name in event.personal if (value := getattr(event, name))}
    try:
        if not personal:
            return _write(_document(decided, event))
        keys = find_keys(subjects(decided.stream))
        sealed = seal(_json(personal, event), keys, _place(decided.stream, decided.version))
        rest = {key: value for key, value in to_builtins(event).items() if key not in personal}
        return _write(_document(decided, rest, sealed))
    except UnicodeEncodeError as error:
        raise InvalidInput(event.name, f"text that UTF-8 can hold ({error})") from error


def decode(row: Row, find_keys: FindKeys) -> Recorded[Event]:
    """The record that stands in `row`; personal fields whose key is gone have their defaults.

    Raises:
        StoreError: it is not what this greenroom would have written.
    """
    reading = _known(row)
    try:
        return _recorded(row, reading.document(row[4]), find_keys)
    except _UNREADABLE as error:
        raise _unreadable(row, error) from error


def decode_all(
    rows: Sequence[Row], find_keys: FindKeys, one: Callable[[Row, FindKeys], T]
) -> Iterable[Recorded[Event] | T]:
    """The records of `rows`; all the keys that it takes are asked for at once.

    Args:
        rows: where they stand.
        find_keys: asked only where something is sealed.
        one: reads each by itself where one of them cannot be read: `decode` or `salvaged`.
    """
    documents = _DOCUMENTS
    try:
        read = [documents[row[3]](row[4]) for row in rows]
        keys = _keys_of(rows, read, find_keys)
        return [_recorded(row, document, keys) for row, document in zip(rows, read, strict=True)]
    except (KeyError, *_UNREADABLE):
        return (one(row, find_keys) for row in rows)


def _recorded(row: Row, document: _Document[Event], find_keys: FindKeys) -> Recorded[Event]:
    position, stream, version, _, _ = row
    event = document.event
    if document.sealed is not UNSET:
        event = _opened(row, document.sealed, event, find_keys)
    return Recorded(
        stream=stream,  # type: ignore[arg-type]  # it is one; saying so is a call
        version=version,
        event=event,
        event_id=document.id,
        by=document.by,
        request_id=document.request_id,
        correlation_id=document.correlation_id,
        causation_id=document.causation_id,
        position=position,
    )


def salvaged(row: Row, find_keys: FindKeys) -> Recorded[Event] | Damaged:
    """The record that stands in `row`; where it cannot be read, what can be said of it."""
    try:
        return decode(row, find_keys)
    except _Unreadable as error:
        position, stream, version, name, _ = row
        return Damaged(position, StreamId(stream), version, name, str(error))


def _keys_of(
    rows: Sequence[Row], documents: Sequence[_Document[Event]], find_keys: FindKeys
) -> FindKeys:
    """Finds the keys of whomever sealed ones of `rows` are about: they are here already."""
    about = {
        subject: None
        for row, document in zip(rows, documents, strict=True)
        if document.sealed is not UNSET
        for subject in subjects(StreamId(row[1]))
    }
    held = dict(zip(about, find_keys([*about]), strict=True)) if about else {}
    return lambda wanted: [held[subject] for subject in wanted]


def plain_events(contents: Sequence[Content]) -> Sequence[Event] | None:
    """The events of `contents`; None where one of them is sealed or cannot be read.

    A page at a time, because a call and its checks would cost as much as the decoding itself.
    """
    reading = _CONTENTS
    try:
        found = [reading[name](state) for _, name, state in contents]
    except (KeyError, *_UNREADABLE):
        return None
    events = [content.event for content in found if content.sealed is UNSET]
    return events if len(events) == len(found) else None


def decode_events(rows: Sequence[Row], find_keys: FindKeys) -> Iterable[Event]:
    """Only the events of `rows`, sealed ones opened.

    Raises:
        StoreError: as for `decode`; the events before the unreadable one come first.
    """
    contents = _CONTENTS
    try:
        return [
            content.event
            if (content := contents[row[3]](row[4])).sealed is UNSET
            else _opened(row, content.sealed, content.event, find_keys)
            for row in rows
        ]
    except (KeyError, *_UNREADABLE):  # an unknown name, or an unreadable record: say which
        return (decode(row, find_keys).event for row in rows)


def _document(
    decided: Decided[Event], event: E, sealed: Sealed | UnsetType = UNSET
) -> _Document[E]:
    return _Document(
        id=decided.event_id,
        by=decided.by,
        request_id=decided.request_id,
        correlation_id=decided.correlation_id,
        causation_id=decided.causation_id,
        sealed=sealed,
        event=event,
    )


@cache
def _format(name: str) -> _Format:
    """Compiled when first needed: all of them at once would slow every import."""
    event_class = EVENTS[name]
    with COMPILING:
        document: Decoder[Any] = Decoder(_Document[event_class])  # type: ignore[valid-type]  # one per class, made at run time
        content: Decoder[Any] = Decoder(_Content[event_class])  # type: ignore[valid-type]  # the same
    return _Format(document.decode, content.decode)


class _Contents(dict[str, Callable[[bytes], _Content[Event]]]):
    """Reads the content of a document, by the event's name; a look-up and no more per record."""

    def __missing__(self, name: str) -> Callable[[bytes], _Content[Event]]:
        reader = self[name] = _format(name).content
        return reader


class _Documents(dict[str, Callable[[bytes], _Document[Event]]]):
    """The same for all of a document."""

    def __missing__(self, name: str) -> Callable[[bytes], _Document[Event]]:
        reader = self[name] = _format(name).document
        return reader


_CONTENTS: Final = _Contents()
_DOCUMENTS: Final = _Documents()


def _known(row: Row) -> _Format:
    try:
        return _format(row[3])
    except KeyError:
        raise _Unreadable(
            f"{_named(row)} is a {row[3]!r}, which this greenroom does not know:"
            " a newer one wrote it; upgrade greenroom"
        ) from None


def _opened(row: Row, sealed: Sealed, event: Event, find_keys: FindKeys) -> Event:
    """`event` with its personal fields, as far as they are not erased."""
    stream = StreamId(row[1])
    plain = unseal(sealed, find_keys(subjects(stream)), _place(stream, row[2]))
    if plain is None:
        return event
    held = asdict(_sealed_part(type(event))(plain))
    return replace(event, **{name: value for name, value in held.items() if value is not UNSET})


@cache
def _sealed_part(kind: type[Event]) -> Callable[[bytes], Struct]:
    """The compiled reading of what is sealed of an event: some of its fields."""
    part = defstruct(
        f"Sealed{kind.__name__}",
        [(field.name, field.type | UnsetType, UNSET) for field in fields(kind)],
        frozen=True,
        gc=False,
        forbid_unknown_fields=True,
    )
    with COMPILING:
        return Decoder(part).decode


def _place(stream: StreamId, version: int) -> bytes:
    return f"{stream}|{version}".encode()


def _json(personal: Mapping[str, Any], event: Event) -> bytes:
    """`personal` as JSON that can be read again: here stands what users made up themselves."""
    try:
        written = json.dumps(personal, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        json.loads(written)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput(event.name, f"finite numbers, and less nesting ({error})") from error
    return written.encode()


def _named(row: Row) -> str:
    return f"record {row[1]} version {row[2]} at position {row[0]}"


def _unreadable(row: Row, error: Exception) -> StoreError:
    """Says where and which fields, but no values: they may be personal."""
    return _Unreadable(f"{_named(row)}, a {row[3]!r}, cannot be read: {error}")
