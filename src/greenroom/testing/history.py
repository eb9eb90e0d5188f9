"""One call's history in memory: the rules without store, clock or threads.

Example:
    >>> from greenroom.domain.operations import life, presence
    >>> history = History("default:appointment-7")
    >>> [event.name for event in history.ask(life.create(life.new_call()), by="thierry")]
    ['call.created']
    >>> [event.name for event in history.ask(presence.join(history.entry()), by="thierry", at=60)]
    ['session.started', 'session.joined']
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from greenroom.domain.admission import Verdict, admit
from greenroom.domain.call_state import Call
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.errors import Refused
from greenroom.domain.membership import Membership
from greenroom.domain.message import CallId, EntryId, Event, StreamId, UserId
from greenroom.domain.operations import life, policy, presence
from greenroom.domain.operations.operation import Operation
from greenroom.domain.operations.timers import TIMED
from greenroom.domain.session_events import Joined
from greenroom.domain.session_state import Session
from greenroom.domain.streams import (
    call_stream,
    decider_of,
    member_stream,
    session_stream,
    type_stream,
    user_stream,
)
from greenroom.domain.turn import TIMERS, Claim, Folded, Step
from greenroom.explaining import OPERATIONS

START: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""Where every history begins."""
EMBEDDER: Final = Claim("embedder", system=True)
"""Who defines call types and users, and may do what only the system may."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Something that somebody asks for, fit for a `History` and for the handles of a room."""

    name: str
    """Of a method of the call's handle; `types.<method>` and `users.<method>` are the embedder's.

    `leave` closes the `entry`-th entry there was; `timers` lets all that is due happen.
    """
    by: Claim
    after: float
    """Seconds since the wish before."""
    arguments: Mapping[str, Any] = field(default_factory=dict)


def wish(by: str | Claim, name: str, /, after: float = 0, **arguments: Any) -> Wish:
    """Somebody wishes for something: `wish("alice", "join", after=5)`.

    Args:
        by: a user id, `system:<name>`, or who acts in full.
        name: of the method, as `Wish` has it.
        after: seconds since the wish before.
        **arguments: of the method.
    """
    if isinstance(by, str):
        user_id, system, part = by.partition("system:")
        by = Claim(part, system=True) if system and not user_id else Claim(by)
    return Wish(name, by, after, arguments)


class History:
    """A log in memory of one call, with the built-in call types: what operations lead to.

    Args:
        cid: of the call; it need not exist yet.
    """

    def __init__(self, cid: str = "default:123") -> None:
        self.cid: Final = CallId(cid)
        self.now = START
        """The instant of the last operation; nothing is asked before it."""
        self.steps: list[Step] = []
        """Everything recorded, in order."""
        self.states: dict[StreamId, Folded[Any]] = {}
        """Every stream as it is."""
        self._entries = 0
        self._events: dict[StreamId, list[Event]] = defaultdict(list)
        self.ask(policy.define_built_in_types(), by=EMBEDDER)

    @property
    def call(self) -> Call:
        """The call, whether it exists or not."""
        state: Call = self._load(call_stream(self.cid)).state
        return state

    @property
    def session(self) -> Session:
        """Who is in the call."""
        number = self.call.session
        state: Session = self._load(session_stream(self.cid, number)).state if number else Session()
        return state

    def member(self, user_id: str) -> Membership:
        """A user's standing in the call."""
        state: Membership = self._load(member_stream(self.cid, UserId(user_id))).state
        return state

    def entry(self) -> EntryId:
        """The id of a connection that there never was: `entry-1`, `entry-2` ..."""
        self._entries += 1
        return EntryId(f"entry-{self._entries}")

    def rehearse(
        self, operation: Operation[CallTurn], *, by: Claim | str, at: datetime | float | None = None
    ) -> CallTurn:
        """Decide without recording; arguments as for `ask`.

        Raises:
            Refused: the rules say no.
        """
        claim = Claim(by) if isinstance(by, str) else by
        turn = CallTurn(self.cid, claim, self._instant(at), self._load, self._member_ids)
        operation.decide(turn)
        return turn

    def ask(
        self, operation: Operation[CallTurn], *, by: Claim | str, at: datetime | float | None = None
    ) -> tuple[Event, ...]:
        """Carry an operation out; the events it recorded, in order.

        Args:
            operation: any of `greenroom.domain.operations`.
            by: a user id, or who acts in full.
            at: seconds since `START`, or an instant; where None, the same as the last time.

        Raises:
            Refused: the rules say no; nothing was recorded.
        """
        turn = self.rehearse(operation, by=by, at=at)
        self.now = turn.at
        self.states.update(turn.states)
        self.steps += turn.steps
        for step in turn.steps:
            self._events[step.stream].append(step.event)
        return tuple(step.event for step in turn.steps)

    def carry_out(self, wish: Wish) -> tuple[Event, ...]:
        """Carry a wish out, when its time has come.

        Raises:
            Refused: the rules say no; nothing was recorded.
        """
        self.now += timedelta(seconds=wish.after)
        if wish.name == "timers":
            return tuple(self.fire_timers())
        return self.ask(self.operation(wish), by=wish.by)

    def operation(self, wish: Wish) -> Operation[CallTurn]:
        """What a wish asks for, here and now; a join is one through a new connection."""
        said = dict(wish.arguments)
        match wish.name:
            case "join":
                new = life.new_call() if said.pop("create", False) else None
                return presence.join(self.entry(), create=new, **said)
            case "leave":
                return presence.leave(EntryId(f"entry-{1 + said['entry'] % max(self._entries, 1)}"))
            case "types.grant":
                return policy.grant(self.cid.partition(":")[0], **said)
            case "types.revoke":
                return policy.revoke(self.cid.partition(":")[0], **said)
            case "types.update":
                return policy.change_type(self.cid.partition(":")[0], **said)
            case "users.upsert":
                return policy.upsert_user(**said)
            case name:
                return OPERATIONS[name](**said)

    def fire_timers(self) -> Iterator[Event]:
        """Let every deadline there ever was be looked at now; what comes of it."""
        numbers = {
            **dict.fromkeys(("max_duration", "inactivity", "reconnection"), self.call.sessions),
            **dict.fromkeys(("auto_cancel", "missed"), self.call.ring_count),
        }
        for kind, highest in numbers.items():
            for number in range(1, highest + 1):
                yield from self.ask(TIMED[kind](number), by=Claim(TIMERS.actor.name, system=True))

    def clone(self) -> Self:
        """The same once more, to go another way."""
        other = copy(self)
        other.steps, other.states = [*self.steps], {**self.states}
        events = {stream: [*said] for stream, said in self._events.items()}
        other._events = defaultdict(list, events)  # noqa: SLF001 - of its own kind
        return other

    def replayed(self, stream: StreamId, version: int | None = None) -> Any:
        """The state of `stream`, folded anew from its events up to `version`."""
        return decider_of(stream).fold(self._events[stream][:version])

    def admitted_again(self, step: Step) -> Verdict:
        """The verdict on a recorded `Joined`, derived anew from the versions its evidence cites."""
        joined = step.event
        if not isinstance(joined, Joined):
            raise TypeError(f"expected a step that joins, not {joined.name}")
        evidence, user_id = joined.evidence, joined.user_id
        cited = {
            call_stream(self.cid): evidence.call,
            type_stream(self.cid.partition(":")[0]): evidence.call_type,
            member_stream(self.cid, user_id): evidence.membership,
            user_stream(user_id): evidence.user,
            step.stream: step.version - 1,
        }

        def load(stream: StreamId) -> Folded[Any]:
            return Folded(self.replayed(stream, cited[stream]), cited[stream])

        actor = step.by
        claim = Claim(actor.name, actor.role, actor.teams, actor.system)
        turn = CallTurn(self.cid, claim, joined.at, load, self._member_ids)
        return admit(turn.join_facts(turn.by), turn.session.occupancy(user_id))

    def _instant(self, at: datetime | float | None) -> datetime:
        match at:
            case None:
                return self.now
            case datetime():
                instant = at
            case seconds:
                instant = START + timedelta(seconds=seconds)
        if instant < self.now:
            raise ValueError(f"the history stands at {self.now}, it cannot go back to {instant}")
        return instant

    def _load(self, stream: StreamId) -> Folded[Any]:
        return self.states.get(stream) or Folded(decider_of(stream).initial, 0)

    def _member_ids(self, cid: CallId) -> Iterable[UserId]:
        prefix = member_stream(cid, UserId(""))
        return [
            UserId(stream.removeprefix(prefix))
            for stream in self.states
            if stream.startswith(prefix)
        ]


def refusal(
    history: History,
    operation: Operation[CallTurn],
    *,
    by: Claim | str,
    at: datetime | float | None = None,
) -> Refused | None:
    """Why the operation would be refused; None where it is allowed. Nothing is recorded."""
    try:
        history.rehearse(operation, by=by, at=at)
    except Refused as refused:
        return refused
    return None
