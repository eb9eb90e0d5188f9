"""What a room tells of itself: log records for those who operate it, and spans for OpenTelemetry.

Records go to the loggers `greenroom.room`, `greenroom.command`, `greenroom.commit` and
`greenroom.projection`; `docs/how-to/observe.md` lists them with their fields. Spans (extra `otel`)
go to a tracer provider, where there is one. Neither says anything about a person: no user id, no
custom data, no words of a refusal; only what it was about (a cid), and a code.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib import metadata
from time import perf_counter, time_ns
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from msgspec.structs import replace

from greenroom.domain.errors import GreenroomError, InvalidInput, ReadOnly, Refused, RequestMismatch
from greenroom.domain.message import RequestId
from greenroom.domain.ports import Commit

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext, Tracer, TracerProvider

    from greenroom.desk import Command, Done
    from greenroom.proposal import Proposal

SEVERAL: Final = 5
"""Attempts after which it is said that others are quicker; and again after twice as many."""
SLOW: Final = 1.0
"""Seconds from which a commit is called slow."""

QUIET: Final = 1.0
"""Seconds for which no other failing commit is a warning."""

_rooms: Final = logging.getLogger("greenroom.room")
_commands: Final = logging.getLogger("greenroom.command")
_commits: Final = logging.getLogger("greenroom.commit")
_projections: Final = logging.getLogger("greenroom.projection")

C = TypeVar("C", bound="Command[Any, Any]")
_ANSWERS: Final = (Refused, InvalidInput, RequestMismatch, ReadOnly)
"""What is no fault of the room, but of what it was asked."""
Facts = Mapping[str, Any]
"""What is said of one thing: fields of a log record, attributes of a span."""


class Watch:
    """One command that somebody looks at, while it is carried out."""

    __slots__ = ("attempts", "done", "span")

    def __init__(self, span: SpanContext | None) -> None:
        self.span: Final = span
        """Where commits refer to."""
        self.attempts = 0
        """How often it was decided so far."""
        self.done: Done[Any] | None = None
        """What it recorded; None where it recorded nothing now."""


class Telemetry:
    """Tells what a room does to whoever wants to know. Costs about nothing where nobody does.

    Args:
        tracer: of OpenTelemetry, for spans; None for log records only.
    """

    def __init__(self, tracer: Tracer | None = None) -> None:
        self._tracer = tracer
        self._warned_at = 0.0
        """When it was last said that a commit failed."""

    @classmethod
    def to(cls, provider: TracerProvider | None) -> Self:
        """Spans go to `provider`; where None, to the one that the process has set by now, if any.

        OpenTelemetry is not imported where nobody else has done so.

        Raises:
            InvalidInput: no tracer provider.
        """
        api: Any = sys.modules.get("opentelemetry.trace")
        if provider is None and api is not None:
            provider = api.get_tracer_provider()
            if isinstance(provider, api.ProxyTracerProvider):
                provider = None  # nobody has set one
        if provider is None:
            return cls()
        if api is None or not isinstance(provider, api.TracerProvider):
            raise InvalidInput("tracer_provider", "a TracerProvider of OpenTelemetry")
        return cls(provider.get_tracer("greenroom", metadata.version("greenroom")))

    @property
    def looks(self) -> bool:
        """Whether anybody wants to know of each command."""
        return self._tracer is not None or _commands.isEnabledFor(logging.DEBUG)

    @contextmanager
    def watching(self, command: C) -> Iterator[C]:
        """Look at a command as it is carried out.

        Gives the command to be carried out instead: one that leads to its trace, as the first of
        a chain that would have none.
        """
        facts = _asked(command)
        with self._span("greenroom.command", facts) as span:
            watch = Watch(None if span is None else span.get_span_context())
            chain = command.correlation_id or _trace_id(watch.span)
            began, code = perf_counter(), "cancelled"  # unless something else becomes of it
            try:
                yield replace(command, watch=watch, correlation_id=chain)
                code = "ok"
            except Exception as error:
                code = _code(error)
                if span is not None and not isinstance(error, _ANSWERS):
                    _failed(span, code)
                raise
            finally:
                told = _became(watch, code)
                if span is not None:
                    span.set_attributes(_attributes(told))
                _debug_command({**facts, **told}, perf_counter() - began)

    def commit(self, batch: Sequence[Proposal]) -> Committing:
        """Look at one commit while it is made; with the result of it, call `note`."""
        span = None if self._tracer is None else _linked(self._tracer, batch)
        return Committing(span, batch, self._level)

    def _level(self, error: BaseException | None, seconds: float) -> int:
        """How loud a commit is told. One that fails may fail in hundreds of portions."""
        if error is None:
            return logging.WARNING if seconds >= SLOW else logging.DEBUG
        now = perf_counter()
        if now - self._warned_at < QUIET:
            return logging.DEBUG
        self._warned_at = now
        return logging.WARNING

    def projecting(self, until: int) -> Callable[[int], None]:
        """What to tell of every batch of records that the views have taken in, by its position.

        Args:
            until: where the log ends.
        """
        if self._tracer is None and not _projections.isEnabledFor(logging.DEBUG):
            return _nobody
        began = time_ns()

        def tell(position: int) -> None:
            nonlocal began
            ended = time_ns()
            facts = {"position": position, "behind": max(0, until - position)}
            if self._tracer is not None:
                name, said = "greenroom.projection", _attributes(facts)
                self._tracer.start_span(name, start_time=began, attributes=said).end(ended)
            seconds = (ended - began) / 1e9
            message = "the views stand at %d, %d behind"
            extra = {**facts, "seconds": seconds}
            _projections.debug(message, position, facts["behind"], extra=extra)
            began = ended

        return tell

    def opened(self, store: str, position: int) -> None:
        """A room is open on a store of this kind; which one may hold a password."""
        message, extra = "a room is open on %s", {"store": store, "position": position}
        _rooms.info(message, store, extra=extra)

    def closed(self) -> None:
        """It was closed."""
        _rooms.info("a room was closed")

    @contextmanager
    def _span(self, name: str, facts: Facts) -> Iterator[Span | None]:
        if self._tracer is None:
            yield None
            return
        with self._tracer.start_as_current_span(
            name,
            attributes=_attributes(facts),
            record_exception=False,  # its message may name somebody
            set_status_on_exception=False,  # a refusal is an answer
        ) as span:
            yield span


class Committing:
    """One commit: how large it is, how long it takes, and whose commands are in it."""

    __slots__ = ("_batch", "_began", "_commit", "_current", "_level", "_span")

    def __init__(
        self,
        span: Span | None,
        batch: Sequence[Proposal],
        level: Callable[[BaseException | None, float], int],
    ) -> None:
        self._span = span
        self._batch = batch
        self._level = level
        self._commit: Commit | None = None

    def __enter__(self) -> Self:
        """It begins."""
        self._current = None if self._span is None else _entered(self._span)
        self._began = perf_counter()
        return self

    def note(self, commit: Commit) -> Commit:
        """What became of it."""
        self._commit = commit
        return commit

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """It is over, well or not."""
        seconds = perf_counter() - self._began
        level = self._level(error, seconds)
        if self._span is None and not _commits.isEnabledFor(level):
            return
        facts = self._facts(error)
        _tell_commit(level, facts, error, seconds)
        if self._span is not None and self._current is not None:
            self._span.set_attributes(_attributes(facts))
            if error is not None:
                _failed(self._span, facts["code"])
            self._current.__exit__(None, None, None)

    def _facts(self, error: BaseException | None) -> dict[str, Any]:
        commit = self._commit
        refused = () if commit is None else [o for o in commit.outcomes if isinstance(o, Exception)]
        facts = {
            "batch": len(self._batch),
            "rows": sum(len(one.append.events) for one in self._batch),
            "refused": len(refused),
            "code": "ok" if error is None else _code(error),
        }
        return facts if commit is None else {**facts, "position": commit.position}


def _tell_commit(level: int, facts: Facts, error: BaseException | None, seconds: float) -> None:
    size, extra = facts["batch"], {**facts, "seconds": seconds}
    if error is not None:
        _commits.log(level, "a commit of %d commands failed: %s", size, error, extra=extra)
    elif seconds >= SLOW:
        _commits.log(level, "a commit of %d commands took %.1f s", size, seconds, extra=extra)
    else:
        _commits.log(level, "a commit of %d commands, %d rows", size, facts["rows"], extra=extra)


def again(command: Command[Any, Any], attempts: int) -> None:
    """A command has to be decided again: others wrote first, for so many times by now."""
    rounds, rest = divmod(attempts, SEVERAL)
    if rest == 0 and rounds.bit_count() == 1:
        facts = {**_asked(command), "attempts": attempts}
        message = "%s: others wrote first, %d times by now"
        _commands.warning(message, command.operation.name, attempts, extra=facts)


def _nobody(_: int) -> None:
    """Where nobody wants to know."""


def _asked(command: Command[Any, Any]) -> dict[str, Any]:
    """What a command is about; of one about a user not whom."""
    facts = {"operation": command.operation.name}
    if ":" in command.lane:  # no stream of a call type or a user has one
        facts["cid"] = command.lane
    return facts


def _became(watch: Watch, code: str) -> dict[str, Any]:
    done = watch.done
    events = () if done is None else done.events
    facts: dict[str, Any] = {
        "code": code,
        "attempts": watch.attempts,
        "events": [*dict.fromkeys(one.event.name for one in events)],
        "recorded": len(events),
    }
    if events:
        facts["correlation_id"] = events[0].correlation_id
    return facts if done is None else {**facts, "position": done.position}


def _debug_command(facts: Facts, seconds: float) -> None:
    if _commands.isEnabledFor(logging.DEBUG):
        message = "%s: %s, %d events"
        said = (facts["operation"], facts["code"], facts.get("recorded", 0))
        _commands.debug(message, *said, extra={**facts, "seconds": seconds})


def _code(error: BaseException) -> str:
    return error.code if isinstance(error, GreenroomError) else type(error).__name__


def _attributes(facts: Facts) -> dict[str, Any]:
    return {f"greenroom.{name}": value for name, value in facts.items()}


def _failed(span: Span, code: str) -> None:
    from opentelemetry.trace import StatusCode  # noqa: PLC0415 - an extra; whoever has a span has it

    span.set_status(StatusCode.ERROR, code)
    span.set_attribute("error.type", code)


def _trace_id(span: SpanContext | None) -> RequestId | None:
    """The trace id as W3C writes it in `traceparent`: 32 hexadecimal digits."""
    return RequestId(f"{span.trace_id:032x}") if span is not None and span.is_valid else None


def _entered(span: Span) -> AbstractContextManager[Span]:
    """In it, what the driver of a database tells belongs to it; leaving ends it."""
    from opentelemetry.trace import use_span  # noqa: PLC0415 - an extra; whoever has a span has it

    current = use_span(
        span, end_on_exit=True, record_exception=False, set_status_on_exception=False
    )
    current.__enter__()
    return current


def _linked(tracer: Tracer, batch: Sequence[Proposal]) -> Span:
    """A span of its own, for it belongs to no command more than to another; linked to all."""
    from opentelemetry.context import Context  # noqa: PLC0415 - an extra; whoever has a tracer has it
    from opentelemetry.trace import Link  # noqa: PLC0415 - the same

    spans = [one.watch.span for one in batch if one.watch is not None]
    links = [Link(span) for span in spans if span is not None and span.is_valid]
    return tracer.start_span("greenroom.commit", context=Context(), links=links)
