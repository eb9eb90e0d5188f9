"""The stored form of events is a promise: what was written once can be read for good.

`golden/stored_events.jsonl` holds a record of every kind of event, as greenroom stored it.
Lines are added, never changed: an event that gets a field gets a further line.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from tests.house.golden_story import told

from greenroom.adapters.codec import FindKeys, Row, decode, decode_events, encode
from greenroom.adapters.sealing import SubjectKey
from greenroom.domain.message import Decided, Event, StreamId
from greenroom.domain.streams import DECIDERS, EVENTS, call_in, call_of, decider_of, subjects

GOLDEN: Final = Path(__file__).parent / "golden" / "stored_events.jsonl"


@dataclass(frozen=True)
class Line:
    """One stored record."""

    name: str
    stream: StreamId
    version: int
    state: str

    @property
    def row(self) -> Row:
        """As a recorder gives it."""
        return (1, self.stream, self.version, self.name, self.state.encode())


def golden_lines() -> list[Line]:
    return [Line(**json.loads(line)) for line in GOLDEN.read_text("utf-8").splitlines()]


LINES: Final = golden_lines()
LATEST: Final = {line.name: line for line in LINES}
STORY: Final = {decided.event.name: decided for decided in told()}


def keys(of: Sequence[str]) -> Sequence[SubjectKey]:
    """The keys that the golden records were sealed with."""
    return [
        SubjectKey(number, hashlib.sha256(subject.encode()).digest())
        for number, subject in enumerate(of, start=1)
    ]


def decode_event(row: Row, find_keys: FindKeys) -> Event:
    (event,) = decode_events([row], find_keys)
    return event


def stored(decided: Decided[Event]) -> str:
    """The line that `decided` has, or should have, in the golden file."""
    state = encode(decided, keys).decode()
    place = {"stream": decided.stream, "version": decided.version}
    return json.dumps({"name": decided.event.name, **place, "state": state}, ensure_ascii=False)


def without_box(state: str) -> str:
    """The document, but for the ciphertext, which differs each time."""
    document: dict[str, Any] = json.loads(state)
    if "sealed" in document:
        del document["sealed"]["box"]
    return json.dumps(document)


@pytest.mark.parametrize("name", EVENTS)
def test_every_kind_of_event_has_a_golden_record(name: str) -> None:
    assert name in STORY, f"tell of {name} in golden_story.py"
    missing = stored(STORY[name])
    assert name in {line.name for line in LINES}, f"add this line to {GOLDEN.name}:\n{missing}"


def test_no_stored_name_was_ever_taken_back() -> None:
    assert {line.name for line in LINES} <= set(EVENTS)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)
def test_a_golden_record_is_read_as_what_was_told(line: Line) -> None:
    record, expected = decode(line.row, keys), STORY[line.name]
    for field in Decided.__struct_fields__:
        assert getattr(record, field) == getattr(expected, field), field
    assert decode_event(line.row, keys) == record.event


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_names_the_call_that_its_stream_belongs_to(name: str) -> None:
    assert call_in(STORY[name].event) == call_of(STORY[name].stream)


@pytest.mark.parametrize("name", EVENTS)
def test_what_is_told_now_is_stored_as_the_latest_golden_record(name: str) -> None:
    latest = LATEST[name]
    state = encode(STORY[name], keys).decode()
    assert without_box(state) == without_box(latest.state), stored(STORY[name])
    if "sealed" not in json.loads(state):
        assert state == latest.state


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)
def test_what_is_personal_is_sealed_and_has_a_subject(line: Line) -> None:
    event = STORY[line.name].event
    document = json.loads(line.state)
    personal = {name for name in event.personal if getattr(event, name)}
    missing = set(type(event).__struct_fields__) - set(document["event"])
    if line in LATEST.values():
        assert missing == personal
    else:
        assert personal <= missing  # and fields it has got since
    assert ("sealed" in document) == bool(personal)
    if event.personal:
        assert personal, "the golden record should have something personal in it"
        assert subjects(line.stream), "an event with personal fields stands in a stream of subjects"


@pytest.mark.parametrize("kind", DECIDERS)
@pytest.mark.parametrize("written", ["first", "last"])
def test_golden_records_load_and_fold(kind: str, written: str) -> None:
    found = LATEST if written == "last" else {line.name: line for line in reversed(LINES)}
    lines = [line for line in found.values() if line.stream.startswith(f"{kind}-")]
    lines.sort(key=lambda line: line.version)
    assert lines
    decider = decider_of(lines[0].stream)
    state = decider.fold(decode_event(line.row, keys) for line in lines)
    assert state == decider.fold(one.event for one in told() if one.stream == lines[0].stream)
