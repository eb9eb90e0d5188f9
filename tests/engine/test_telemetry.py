"""What a room tells of itself: to its log, and to OpenTelemetry where somebody has set that up."""

from __future__ import annotations

import asyncio
import logging
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from greenroom import CallHandle, Greenroom, aio, telemetry
from greenroom.domain.errors import (
    CallNotFound,
    Conflict,
    GreenroomError,
    InvalidInput,
    StoreError,
)
from greenroom.domain.ports import Append, Commit

if TYPE_CHECKING:
    from tests.engine.conftest import Rooms

    from greenroom.testing.clock import VirtualClock

LOGGERS: Final = tuple(f"greenroom.{name}" for name in ("room", "command", "commit", "projection"))
PAGE: Final = Path(__file__).parents[2] / "docs" / "how-to" / "observe.md"
PLAIN: Final = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def extra(record: logging.LogRecord) -> dict[str, Any]:
    """The fields of a record that are ours."""
    return {name: value for name, value in vars(record).items() if name not in PLAIN}


class Told:
    """What was logged, by logger."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def __call__(self, logger: str, **wanted: Any) -> list[logging.LogRecord]:
        return [
            record
            for record in self._caplog.records
            if record.name == f"greenroom.{logger}" and wanted.items() <= vars(record).items()
        ]

    def only(self, logger: str, **wanted: Any) -> dict[str, Any]:
        (record,) = self(logger, **wanted)
        return {"level": record.levelname, "message": record.getMessage(), **extra(record)}


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    for name in LOGGERS:
        caplog.set_level(logging.DEBUG, name)
    return Told(caplog)


class Spans:
    """What OpenTelemetry was told, and who tells it."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("the embedder")

    def __call__(self, name: str, **attributes: Any) -> list[ReadableSpan]:
        wanted = {f"greenroom.{key}": value for key, value in attributes.items()}
        return [
            span
            for span in self._exporter.get_finished_spans()
            if span.name == f"greenroom.{name}"
            and wanted.items() <= dict(span.attributes or {}).items()
        ]

    def only(self, name: str, **attributes: Any) -> ReadableSpan:
        (span,) = self(name, **attributes)
        return span

    def forget(self) -> None:
        self._exporter.clear()


def says(span: ReadableSpan) -> dict[str, Any]:
    return {key.removeprefix("greenroom."): value for key, value in (span.attributes or {}).items()}


def place(span: ReadableSpan) -> trace.SpanContext:
    context: trace.SpanContext | None = span.context
    assert context is not None
    return context


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
def traced(rooms: Rooms, spans: Spans) -> Greenroom:
    room = rooms.open("memory://", tracer_provider=spans.provider)
    spans.forget()
    return room


def standup(room: Greenroom, who: str = "thierry") -> CallHandle:
    return room.as_user(who).call("default", "standup")


class Failing:
    """Takes the place of a store's `record`, until the store is well again."""

    def __init__(self, room: Greenroom, patch: pytest.MonkeyPatch, times: int) -> None:
        self.left = times
        self._record = room._store.record
        patch.setattr(room._store, "record", self)

    def __call__(self, batch: Sequence[Append]) -> Commit:
        if self.left == 0 or not any(one.events for one in batch):
            return self._record(batch)
        self.left -= 1
        return self.fail(batch)

    def fail(self, batch: Sequence[Append]) -> Commit:
        raise StoreError("the disk is full")


class Outrun(Failing):
    """Others are always quicker."""

    def fail(self, batch: Sequence[Append]) -> Commit:
        refusal: GreenroomError = Conflict("others were quicker")
        return Commit([refusal for _ in batch], 0, 0)


# The log


def test_a_command_tells_what_it_was_and_what_came_of_it(room: Greenroom, told: Told) -> None:
    state = standup(room).create(member_ids=["alice", "tommaso"])
    said = told.only("command", operation="create")
    seconds = said.pop("seconds")
    assert 0 < seconds < 60
    assert said == {
        "level": "DEBUG",
        "message": "create: ok, 3 events",
        "operation": "create",
        "cid": "default:standup",
        "code": "ok",
        "attempts": 1,
        "events": ["call.created", "member.added"],
        "recorded": 3,
        "position": state.position,
        "correlation_id": standup(room).history()[0].correlation_id,
    }


def test_a_refusal_is_told_by_its_code_and_is_no_warning(room: Greenroom, told: Told) -> None:
    with pytest.raises(CallNotFound):
        standup(room).end()
    said = told.only("command", operation="end")
    assert (said["level"], said["code"], said["recorded"]) == ("DEBUG", "call_not_found", 0)


def test_a_command_about_a_user_does_not_say_about_whom(room: Greenroom, told: Told) -> None:
    room.users.upsert("alice", name="Alice Liddell")
    assert "cid" not in told.only("command", operation="upsert_user")


def test_nothing_that_is_told_names_anybody_or_repeats_their_words(
    rooms: Rooms, told: Told, spans: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    room = rooms.open("memory://", tracer_provider=spans.provider)
    room.users.upsert("alice", name="Liddell", custom={"diagnosis": "asthma"})
    call = standup(room)
    call.create(member_ids=["alice"], custom={"note": "asthma"})
    call.query_members()
    with pytest.raises(GreenroomError):
        standup(room, "alice").block("charlie")
    call.ring(["alice"])
    standup(room, "alice").reject("asthma")
    assert len(caplog.records) > 10
    words = str([(record.getMessage(), extra(record)) for record in caplog.records])
    words += "".join(span.to_json() for span in spans._exporter.get_finished_spans())
    assert [
        word for word in ("alice", "charlie", "thierry", "Liddell", "asthma") if word in words
    ] == []


def test_a_commit_tells_how_much_was_in_it(room: Greenroom, told: Told) -> None:
    state = standup(room).create(member_ids=["alice"])
    said = told.only("commit", rows=2)
    assert said.pop("seconds") > 0
    assert said == {
        "level": "DEBUG",
        "message": "a commit of 1 commands, 2 rows",
        "batch": 1,
        "rows": 2,
        "refused": 0,
        "code": "ok",
        "position": state.position,
    }


def test_a_slow_commit_is_a_warning_whoever_listens(
    room: Greenroom, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "SLOW", 0.0)
    standup(room).create()
    (said,) = [record for record in caplog.records if vars(record).get("rows") == 1]
    assert (said.name, said.levelname) == ("greenroom.commit", "WARNING")
    assert said.getMessage().startswith("a commit of 1 commands took ")


def test_a_commit_that_fails_is_a_warning_and_so_is_not_each_of_its_commands(
    room: Greenroom, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    Failing(room, monkeypatch, times=1)
    with pytest.raises(StoreError):
        standup(room).create()
    said = told.only("commit", code="store_error")
    assert (said["level"], said["batch"], said["rows"]) == ("WARNING", 1, 1)
    assert said["message"] == "a commit of 1 commands failed: the disk is full"
    assert told.only("command", code="store_error")["level"] == "DEBUG"


def test_a_commit_that_fails_in_portions_is_one_warning(
    room: Greenroom, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    Failing(room, monkeypatch, times=20)
    for _ in range(20):
        with pytest.raises(StoreError):
            standup(room).create()
    levels = [record.levelname for record in told("commit", code="store_error")]
    assert levels == ["WARNING"] + ["DEBUG"] * 19


@pytest.mark.slow
def test_who_is_outrun_time_and_again_is_spoken_of_more_and_more_rarely(
    room: Greenroom, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    Outrun(room, monkeypatch, times=12)
    standup(room).create()
    warned = [record for record in told("command") if record.levelno == logging.WARNING]
    assert [extra(record) for record in warned] == [
        {"operation": "create", "cid": "default:standup", "attempts": attempts}
        for attempts in (5, 10)
    ]
    assert told.only("command", code="ok", operation="create")["attempts"] == 13
    assert [extra(one)["refused"] for one in told("commit", batch=1)].count(1) == 12


def test_the_views_tell_how_far_they_have_come(room: Greenroom, told: Told) -> None:
    state = standup(room).create()
    standup(room).query_members()
    said = told("projection", position=state.position)
    assert [extra(record)["behind"] for record in said] == [0]


def test_a_room_tells_when_it_opens_and_closes(told: Told) -> None:
    with Greenroom.open("memory://") as room:
        position = room.position
    assert [extra(record) for record in told("room")] == [
        {"store": "MemoryStore", "position": position},
        {},
    ]
    assert {record.levelname for record in told("room")} == {"INFO"}
    assert told("room")[0].getMessage() == "a room is open on MemoryStore"


def test_where_nobody_listens_no_command_is_looked_at(
    room: Greenroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unasked(*_: Any) -> None:
        raise AssertionError("looked at")

    for name in ("_asked", "_became", "_tell_commit"):
        monkeypatch.setattr(telemetry, name, unasked)
    assert not room._core.telemetry.looks
    assert standup(room).create().created
    assert room._core.telemetry.projecting(1) is telemetry._nobody


def documented() -> dict[tuple[str, str], set[str]]:
    """What the documentation says is logged: fields by logger and level."""
    rows = re.findall(
        r"^\| `(greenroom\.\w+)` \| (\w+) \|[^|]*\|([^|]*)\|$", PAGE.read_text(), re.MULTILINE
    )
    found: dict[tuple[str, str], set[str]] = {}
    for logger, level, fields in rows:
        found.setdefault((logger, level), set()).update(re.findall(r"`(\w+)`", fields))
    return found


def test_the_table_in_the_documentation_is_what_is_logged(
    told: Told, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Greenroom.open("memory://") as room:
        Outrun(room, monkeypatch, times=5)
        standup(room).create()
        standup(room).query_members()
        Failing(room, monkeypatch, times=1)
        with pytest.raises(StoreError):
            standup(room).end()
        monkeypatch.setattr(telemetry, "SLOW", 0.0)
        standup(room).end()
    seen: dict[tuple[str, str], set[str]] = {}
    for record in caplog.records:
        if record.name in LOGGERS:
            seen.setdefault((record.name, record.levelname), set()).update(extra(record))
    assert seen == documented()


# Spans


def test_a_command_is_a_span_of_what_the_embedder_was_doing(
    traced: Greenroom, spans: Spans
) -> None:
    with spans.tracer.start_as_current_span("POST /calls") as request:
        state = standup(traced).create(member_ids=["alice"])
    span = spans.only("command")
    assert span.parent is not None
    assert span.parent.span_id == request.get_span_context().span_id
    assert says(span) == {
        "operation": "create",
        "cid": "default:standup",
        "code": "ok",
        "attempts": 1,
        "events": ("call.created", "member.added"),
        "recorded": 2,
        "position": state.position,
        "correlation_id": f"{request.get_span_context().trace_id:032x}",
    }
    assert span.status.status_code is StatusCode.UNSET


def test_the_log_leads_to_the_trace_and_what_follows_from_it_as_well(
    traced: Greenroom, spans: Spans, clock: VirtualClock
) -> None:
    call = standup(traced)
    with spans.tracer.start_as_current_span("POST /calls") as request:
        call.create(member_ids=["alice"])
        call.ring(["alice"])
    clock.advance(seconds=15)
    missed = call.history()[-1]
    assert missed.name == "member.missed"
    assert {event.correlation_id for event in call.history()} == {
        trace.format_trace_id(request.get_span_context().trace_id)
    }
    span = spans.only("command", operation="auto_cancel")
    assert says(span)["correlation_id"] == missed.correlation_id


def test_without_a_span_around_it_a_command_begins_a_trace(traced: Greenroom, spans: Spans) -> None:
    standup(traced).create()
    span = spans.only("command")
    assert span.parent is None
    (created,) = standup(traced).history()
    assert created.correlation_id == trace.format_trace_id(place(span).trace_id)


def test_without_telemetry_a_command_is_the_first_of_its_chain(room: Greenroom) -> None:
    standup(room).create()
    (created,) = standup(room).history()
    assert created.correlation_id == created.request_id


def test_a_refusal_is_an_answer_and_no_error(traced: Greenroom, spans: Spans) -> None:
    with pytest.raises(CallNotFound):
        standup(traced).end()
    span = spans.only("command", code="call_not_found")
    assert span.status.status_code is StatusCode.UNSET
    assert span.events == ()


def test_what_cannot_be_recorded_is_an_error_of_the_command_and_of_the_commit(
    traced: Greenroom, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    Failing(traced, monkeypatch, times=1)
    with pytest.raises(StoreError):
        standup(traced).create()
    for name in ("command", "commit"):
        span = spans.only(name, code="store_error")
        assert (span.status.status_code, span.status.description) == (
            StatusCode.ERROR,
            "store_error",
        )
        assert (span.attributes or {})["error.type"] == "store_error"
        assert span.events == ()


def test_a_commit_leads_to_the_commands_in_it_and_belongs_to_none(
    traced: Greenroom, spans: Spans
) -> None:
    with spans.tracer.start_as_current_span("POST /calls"):
        standup(traced).create(member_ids=["alice"])
    span = spans.only("commit", rows=2)
    assert span.parent is None
    assert [link.context for link in span.links] == [place(spans.only("command"))]
    assert says(span).items() >= {"batch": 1, "refused": 0, "code": "ok"}.items()


def test_what_the_database_tells_belongs_to_the_commit(
    traced: Greenroom, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside: list[trace.SpanContext] = []
    record = traced._store.record

    def seen(batch: Sequence[Append]) -> Commit:
        inside.append(trace.get_current_span().get_span_context())
        return record(batch)

    monkeypatch.setattr(traced._store, "record", seen)
    standup(traced).create()
    assert inside == [place(spans.only("commit", rows=1))]
    assert not trace.get_current_span().get_span_context().is_valid


@pytest.mark.slow
def test_commands_that_share_a_commit_are_all_linked_from_it(spans: Spans) -> None:
    async def many() -> None:
        async with aio.Greenroom.open("memory://", tracer_provider=spans.provider) as room:
            await room.as_user("thierry").call("default", "standup").create()
            spans.forget()

            async def join(n: int) -> None:
                with spans.tracer.start_as_current_span(f"request {n}"):
                    await room.as_user(f"user-{n}").call("default", "standup").join()

            await asyncio.gather(*(join(n) for n in range(200)))

    asyncio.run(many())
    commands = spans("command", operation="join", code="ok")
    requests = [s for s in spans._exporter.get_finished_spans() if s.name.startswith("request")]
    assert len(commands) == len(requests) == 200
    assert {one.parent and one.parent.span_id for one in commands} == {
        place(one).span_id for one in requests
    }
    commits = spans("commit")
    assert len(commits) < 200
    linked = [link.context.span_id for commit in commits for link in commit.links]
    assert {place(one).span_id for one in commands} <= set(linked)
    assert sum(says(one)["batch"] for one in commits) == len(linked)


def test_a_command_that_is_given_up_says_so(spans: Spans) -> None:
    async def give_up() -> None:
        async with aio.Greenroom.open("memory://", tracer_provider=spans.provider) as room:
            await room.as_user("thierry").call("default", "standup").create()
            spans.forget()
            asked = asyncio.ensure_future(room.as_user("alice").call("default", "standup").join())
            await asyncio.sleep(0)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked

    asyncio.run(give_up())
    assert says(spans.only("command"))["code"] == "cancelled"


def test_each_batch_of_the_views_is_a_span(rooms: Rooms, spans: Spans) -> None:
    room = rooms.open("memory://", timers=False, tracer_provider=spans.provider)
    state = standup(room).create()
    spans.forget()
    with spans.tracer.start_as_current_span("GET /members") as request:
        standup(room).query_members()
    span = spans.only("projection")
    assert says(span) == {"position": state.position, "behind": 0}
    assert (span.end_time or 0) > (span.start_time or 0) > 0
    assert span.parent == request.get_span_context()


# Where OpenTelemetry is, and where it is not


def run(source: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=150
    )
    return done.stdout.split()


ONE_COMMAND: Final = """
from greenroom import Greenroom
with Greenroom.open("memory://") as room:
    room.as_user("thierry").call("default", "standup").create()
"""


@pytest.mark.slow
def test_where_nobody_has_loaded_opentelemetry_nobody_does() -> None:
    loaded = run(f"{ONE_COMMAND}\nimport sys\nprint(*sys.modules)")
    assert "greenroom.telemetry" in loaded
    assert [name for name in loaded if name.startswith("opentelemetry")] == []


@pytest.mark.slow
def test_a_provider_that_was_set_for_the_process_is_told() -> None:
    source = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
"""
    tell = "print(*sorted({span.name for span in exporter.get_finished_spans()}))"
    told = run(f"{source}{ONE_COMMAND}{tell}")
    assert {"greenroom.command", "greenroom.commit"} <= set(told)


def test_that_somebody_has_loaded_it_is_not_enough(room: Greenroom) -> None:
    assert "opentelemetry.trace" in sys.modules
    assert not room._core.telemetry.looks


@pytest.mark.parametrize("provider", ["yes", 1, object(), TracerProvider, print])
def test_what_is_no_provider_is_refused_before_anything_is_opened(
    provider: Any, tmp_path: Path
) -> None:
    path = tmp_path / "calls.db"
    with pytest.raises(InvalidInput) as refused:
        Greenroom.open(f"sqlite:///{path}", tracer_provider=provider)
    assert refused.value.path == "tracer_provider"
    assert not path.exists()
