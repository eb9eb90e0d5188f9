"""Snapshots: states of long streams, written down so that they need not be folded from the start.

A cache and nothing more. Deleting all of them changes no answer; one that is damaged, of another
store, of a log that went another way or of another greenroom is not believed but folded anew.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import cache
from itertools import islice
from typing import Any, Final, Literal, NewType, get_args, get_origin, get_type_hints

from immutables import Map
from msgspec import defstruct
from msgspec.json import Decoder, Encoder
from msgspec.structs import asdict
from pydantic import BaseModel

from greenroom.adapters.compiling import COMPILING
from greenroom.domain.message import StreamId
from greenroom.domain.ports import EventStore, Shelf, Snapshot
from greenroom.domain.streams import DECIDERS, EVENTS, decider_of
from greenroom.domain.turn import Folded
from greenroom.folding import fold

_log = logging.getLogger(__name__)

LONG: Final = 1000
"""Events after which the next snapshot is worth its place: one page of them, 5 ms of folding."""

FOLDS: Final[Mapping[str, int]] = {"call": 1, "session": 2, "member": 1, "type": 1, "user": 1}
"""The edition of what folds each kind of stream, raised by hand where the same events lead to
another state than before: that is more than the shape of a state can tell."""

_PERSONAL: Final = frozenset(name for event in EVENTS.values() for name in event.personal)
"""Fields of events that are about a person; those of a state that stem from them are named so."""


def load(store: EventStore, stream: StreamId, known: Folded[Any] | None = None) -> Folded[Any]:
    """The state of `stream` as it is recorded; from its snapshot on, where it is a long one.

    Most streams end within the first page: for those nothing is asked or done but to fold it.
    Where `LONG` events or more were folded, whoever loads it next finds a snapshot.

    Args:
        store: where its events are.
        stream: any.
        known: an earlier state to go on from instead. What comes of it is not kept: it may hold
            what was erased since.
    """
    if known is not None:
        return fold(store, stream, start=known)
    first = [*islice(store.events(stream), LONG)]
    if len(first) < LONG:
        return Folded(decider_of(stream).fold(first), len(first))
    shelf = store.shelf(stream)  # before anything that is kept there is read
    start = _found(shelf, stream)
    folded = fold(store, stream, start=start)
    if folded.version - start.version >= LONG:
        _keep(shelf, stream, folded)
    return folded


def snapshot(stream: StreamId, folded: Folded[Any]) -> Snapshot:
    """The state of `stream`, written down.

    Raises:
        TypeError, ValueError: it holds something that cannot be written.
    """
    return Snapshot(folded.version, format_of(_kind(stream)), _write(folded.state))


def restored(stream: StreamId, kept: Snapshot) -> Folded[Any] | None:
    """The state that was written down; None where another greenroom wrote it.

    Raises:
        ValueError: it is not what this greenroom would have written.
    """
    kind = _kind(stream)
    if kept.format != format_of(kind):
        return None
    return Folded(_reader(kind)(kept.state), kept.version)


@cache
def format_of(kind: str) -> str:
    """What a snapshot says that can be read here: how it was folded, what it is made of.

    So whatever is changed of a state, or of where it begins, outdates the snapshots there are.
    """
    initial = DECIDERS[kind].initial
    shape = "\n".join(_shape(type(initial), set()))
    hashed = hashlib.sha256(shape.encode() + _write(initial))
    return f"{kind} {FOLDS[kind]} {hashed.hexdigest()[:16]}"


def _found(shelf: Shelf, stream: StreamId) -> Folded[Any]:
    """What is kept of `stream`, or its beginning."""
    beginning = Folded(decider_of(stream).initial, 0)
    try:
        kept = shelf.snapshot()
        return (kept and restored(stream, kept)) or beginning
    except Exception:  # noqa: BLE001 - a cache must not keep anybody from the truth
        _log.debug("a snapshot could not be read", exc_info=True)
        return beginning


def _keep(shelf: Shelf, stream: StreamId, folded: Folded[Any]) -> None:
    try:
        shelf.keep(snapshot(stream, folded), personal=_personal(stream, folded.state))
    except Exception:  # noqa: BLE001 - what was asked for is there; only the next load is slow
        _log.debug("a snapshot could not be kept", exc_info=True)


def _kind(stream: StreamId) -> str:
    return stream.partition("-")[0]


def _personal(stream: StreamId, state: object) -> bool:
    """Whether the state says anything that is sealed in events."""
    initial = decider_of(stream).initial
    return any(
        getattr(state, name) != getattr(initial, name)
        for name in _PERSONAL
        if hasattr(initial, name)
    )


def _plain(value: object) -> object:
    """What the writer does not know, in what it does."""
    match value:
        case Map():
            return dict(value)
        case BaseModel():
            return value.model_dump()
        case _:
            raise TypeError(f"a state with a {type(value).__name__} in it")


def _made(kind: Any, raw: Any) -> object:
    """What the reader does not know, of what it does; maps of a state itself never come here."""
    return Map(raw) if get_origin(kind) is Map else kind.model_validate(raw)


_write: Final = Encoder(enc_hook=_plain).encode


@cache
def _reader(kind: str) -> Callable[[bytes], Any]:
    """Compiled, when first needed. Maps are read as dicts: a hook for each would cost as much."""
    state = type(DECIDERS[kind].initial)
    hints = get_type_hints(state)
    maps = {name for name, hint in hints.items() if get_origin(hint) is Map}
    fields = [
        (name, dict[get_args(hints[name])] if name in maps else hints[name])  # type: ignore[misc]  # made at run time
        for name in _fields(state)
    ]
    with COMPILING:
        decode = Decoder(defstruct(state.__name__, fields), dec_hook=_made).decode

    def read(written: bytes) -> Any:
        found = asdict(decode(written))
        return state(**found | {name: Map(found[name]) for name in maps})

    return read


def _shape(kind: Any, told: set[object]) -> Iterator[str]:
    """What a type is made of, down to what needs no explanation; each class once."""
    if isinstance(kind, NewType):
        yield from _shape(kind.__supertype__, told)
    elif get_origin(kind) is Literal:
        yield repr(kind)
    elif get_origin(kind) is not None:
        yield str(get_origin(kind))
        for argument in get_args(kind):
            yield from _shape(argument, told)
    elif not isinstance(kind, type):
        yield repr(kind)  # None, ..., Any
    elif kind in told:
        yield kind.__qualname__
    else:
        told.add(kind)
        yield kind.__qualname__
        yield from _inside(kind, told)


def _inside(kind: type, told: set[object]) -> Iterator[str]:
    if issubclass(kind, Enum):
        yield from (f"{one.name}={one.value!r}" for one in kind)
    elif fields := _fields(kind):
        hints = get_type_hints(kind)
        for name in fields:
            yield f"{name}:"
            yield from _shape(hints[name], told)


def _fields(kind: type) -> tuple[str, ...]:
    """Of a dataclass, a struct or a model; none of what holds nothing."""
    for says in ("__dataclass_fields__", "__struct_fields__", "model_fields"):
        if (fields := getattr(kind, says, None)) is not None:
            return tuple(fields)
    return ()
