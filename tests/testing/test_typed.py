"""Every event and every command can be drawn by its type; events survive the store."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.adapters.stores import open_store
from greenroom.domain.decider import Command
from greenroom.domain.message import Actor, Decided, Event, EventId, RequestId, StreamId
from greenroom.domain.ports import EventStore
from greenroom.domain.session_events import Joined
from greenroom.domain.streams import EVENTS, decider_of
from greenroom.testing.typed import COMMANDS, register

register()
PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def stream_of(event: Event) -> StreamId:
    kind = {"call": "call-", "session": "session-", "member": "member-"}
    prefix = kind.get(event.name.partition(".")[0], f"{event.name.partition('.')[0]}-")
    if event.name in {"session.started", "session.ended"}:
        prefix = "call-"
    return StreamId(f"{prefix}default:1/1")


@pytest.fixture(scope="module")
def store() -> Iterator[EventStore]:
    with closing(open_store("memory://")) as opened:
        yield opened


@given(st.data())
def test_events_of_any_kind_are_stored_and_read_back_as_they_were(
    store: EventStore, data: st.DataObject
) -> None:
    event = data.draw(st.sampled_from(list(EVENTS.values())).flatmap(st.from_type))
    stream = stream_of(event)
    version = 1 + sum(1 for _ in store.events(stream))
    serial = f"{stream}-{version}"
    decided = Decided(
        stream=stream,
        version=version,
        event=event,
        event_id=EventId(serial),
        by=Actor(name="thierry"),
        request_id=RequestId(serial),
        correlation_id=RequestId(serial),
    )
    store.append([decided])
    assert [*store.events(stream, after=version - 1)] == [event]
    decider_of(stream).fold([event])


@pytest.mark.parametrize("kind", EVENTS.values(), ids=lambda kind: kind.name)
def test_events_of_each_kind_are_known(kind: type[Event]) -> None:
    assert "builds" in repr(st.from_type(kind))


@given(st.data())
def test_commands_of_any_kind_are_drawn(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(COMMANDS))
    command = data.draw(st.from_type(kind))
    assert type(command) is kind
    assert isinstance(command, Command)
    assert command.at.tzinfo is not None


@given(st.from_type(Joined))
def test_what_is_drawn_has_ids_that_could_be(joined: Joined) -> None:
    call_type, colon, call_id = joined.cid.partition(":")
    assert call_type
    assert call_id
    assert colon
    assert joined.at.tzinfo is not None


def test_the_entry_points_are_there() -> None:
    points = tomllib.loads(PYPROJECT.read_text())["project"]["entry-points"]
    module, _, function = points["hypothesis"]["greenroom"].partition(":")
    assert getattr(import_module(module), function) is register
    for name, target in points["pytest11"].items():
        assert name == target
        assert import_module(target).__doc__
