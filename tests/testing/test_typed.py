"""Every event and every command can be drawn by its type; events survive the store."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from contextlib import closing
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.adapters.stores import open_store
from greenroom.domain.decider import Command
from greenroom.domain.message import Actor, Decided, Event, EventId, RequestId, StreamId
from greenroom.domain.session_events import Joined
from greenroom.domain.streams import EVENTS, decider_of
from greenroom.testing.by_type import COMMANDS, register
from greenroom.testing.typed import strategy_of

register()
PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def stream_of(event: Event) -> StreamId:
    kind = {"call": "call-", "session": "session-", "member": "member-"}
    prefix = kind.get(event.name.partition(".")[0], f"{event.name.partition('.')[0]}-")
    if event.name in {"session.started", "session.ended"}:
        prefix = "call-"
    return StreamId(f"{prefix}default:1/1")


@pytest.mark.parametrize("kind", EVENTS.values(), ids=lambda kind: kind.name)
@given(st.data())
def test_events_of_any_kind_are_stored_and_read_back_as_they_were(
    kind: type[Event], data: st.DataObject
) -> None:
    event = data.draw(st.from_type(kind))
    stream = stream_of(event)
    decided = Decided(
        stream=stream,
        version=1,
        event=event,
        event_id=EventId("1"),
        by=Actor(name="thierry"),
        request_id=RequestId("1"),
        correlation_id=RequestId("1"),
    )
    with closing(open_store("memory://")) as store:
        store.append([decided])
        assert [*store.events(stream)] == [event]
    decider_of(stream).fold([event])


@pytest.mark.parametrize("kind", EVENTS.values(), ids=lambda kind: kind.name)
def test_events_of_each_kind_are_known(kind: type[Event]) -> None:
    assert "builds" in repr(st.from_type(kind))


@pytest.mark.parametrize("first", ["by_type", "typed", "strategies", "machine"])
def test_whichever_is_loaded_first_types_can_be_drawn(first: str) -> None:
    program = f"""
        import greenroom.testing.{first}
        from hypothesis import find, strategies
        from greenroom.domain.session_events import Joined
        print(find(strategies.from_type(Joined), lambda joined: True).name)
    """
    ran = subprocess.run(
        [sys.executable, "-c", dedent(program)], capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr) == ("session.joined\n", "")


@pytest.mark.parametrize("hint", [object, "Joined", bytes])
def test_what_the_domain_does_not_know_is_refused(hint: object) -> None:
    with pytest.raises(TypeError, match="no strategy for"):
        strategy_of(hint)


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
