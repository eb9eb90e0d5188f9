"""Deciding again, one deed after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeVar

from greenroom.domain.attempts import Attempt
from greenroom.domain.call_events import CallUpdated
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.errors import InvalidInput, Refused
from greenroom.domain.membership import MemberUpdated
from greenroom.domain.merge import same_json
from greenroom.domain.message import CallId, StreamId
from greenroom.domain.streams import decider_of
from greenroom.domain.turn import Claim, Folded, Step
from greenroom.explaining import Asked, ExaminedTurn, examine, reason_of
from greenroom.whatif.changes import Supposed
from greenroom.whatif.deeds import Deed, Record
from greenroom.whatif.differences import Counted, Difference, Kind, Mode, Tally
from greenroom.whatif.falling_due import fire_due
from greenroom.whatif.quick import Quick
from greenroom.whatif.refused import rule_that_refused, wish_of_attempt
from greenroom.whatif.wishes import Wanted, Wish, wish_of
from greenroom.whatif.worlds import Calls, CallWorld, Commons

T = TypeVar("T", bound=CallTurn)
_COMMON: Final = ("type-", "user-")
"""How the names of streams begin that belong to no call."""
Decided = Sequence[Step] | Refused
"""What comes of a wish."""


class Again:
    """Decides on deeds again, in the order of the log."""

    def __init__(
        self, supposed: Supposed, commons: Commons, calls: Calls, mode: Mode, tally: Tally
    ) -> None:
        """Begin with nothing decided.

        Args:
            supposed: under what it is decided.
            commons: call types and users; told by whoever reads the log.
            calls: as they are recorded.
            mode: what each decision is made on.
            tally: counts what was decided, and what came out otherwise.
        """
        self._tally = tally
        self._supposed = supposed
        self._commons = commons
        self._calls = calls
        self._cascading = mode is Mode.CASCADING
        self._quickly = supposed.only_grants
        self._forks: dict[CallId, CallWorld] = {}
        """Calls of which something came out otherwise, as they would be."""

    def pass_over(self, deed: Deed) -> None:
        """Take what was recorded as it is."""
        self._happened(deed, self._calls.before(deed))

    def decide(self, deed: Deed) -> None:
        """Decide again on the next deed of the log."""
        recorded = self._calls.before(deed)
        if self._quickly and deed.cid not in self._forks and self._at_once(deed, recorded):
            self._tally.decided += 1
            recorded.take(deed.records)
            return
        wish = self._wish(deed, recorded)
        if wish is None:
            self._happened(deed, recorded)
            return
        fork = self._forks.get(deed.cid)
        if fork is None:
            difference = self._first_time(deed, wish, recorded)
        else:
            difference = self._on_a_fork(deed, wish, recorded, fork)
        self._count(difference, asked=wish.asked)

    def try_again(self, attempt: Attempt) -> None:
        """Decide again on what was refused, where that can be done."""
        wish = wish_of_attempt(attempt)
        if wish is not None:
            self._count(self._admitted(attempt, wish), asked=True)

    def _count(self, difference: Difference | None, *, asked: bool) -> None:
        self._tally.decided += asked
        if difference is not None:
            self._tally.add(difference)

    def _admitted(self, attempt: Attempt, wish: Wish) -> Difference | None:
        """How what was refused comes out now; None where it still is."""
        cid = attempt.cid
        recorded = self._calls.at(cid, attempt.position)
        fork = self._forks.get(cid)
        if fork is not None and self._cascading:
            fire_due(fork, attempt.at, self._turn)
        world = recorded if fork is None else fork
        decided = self._decided(cid, wish.claim, wish.operation, attempt.at, world)
        if isinstance(decided, Refused):
            return None
        asked = self._examined(cid, wish, attempt.at, world)
        if self._cascading:
            if fork is None:
                fork = self._forks[cid] = recorded.copy()
            fork.take(decided)
        return Difference(
            kind=Kind.NEWLY_ADMITTED,
            cid=cid,
            user_id=attempt.user_id,
            operation=attempt.operation,
            position=attempt.position,
            at=attempt.at,
            code=attempt.code,
            reason=reason_of(rule_that_refused(attempt, asked)),
            would_record=tuple(step.event.name for step in decided),
        )

    def _at_once(self, deed: Deed, recorded: CallWorld) -> bool:
        """Whether no turn was needed to decide, nor to tell of a difference."""
        quick = recorded.quick
        if quick is None:
            quick = recorded.quick = Quick(recorded, self._commons, exact=self._cascading)
        found = quick.decide(deed)
        if isinstance(found, bool):
            return found
        if self._cascading or self._tally.tells:
            return False
        refused = deed.records[-1].by.user_id
        self._tally.add(Counted(Kind.NEWLY_REFUSED, deed.cid, refused, found.code))
        return True

    def _wish(self, deed: Deed, recorded: CallWorld) -> Wish | None:
        """What led to it; where it is decided on what was recorded, only if somebody asked."""
        removes = self._supposed.removes
        if removes and not all(map(self._supposed.stands, deed.records)):
            return None

        def load(stream: StreamId) -> Folded[Any]:
            return self._loaded(recorded, stream)

        if not self._cascading and not deed.own:
            return None
        wish = wish_of(deed, load)
        return None if wish is None or not (self._cascading or wish.asked) else wish

    def _first_time(self, deed: Deed, wish: Wish, recorded: CallWorld) -> Difference | None:
        """On a call that has gone as it is recorded."""
        decided = self._decided(deed.cid, wish.claim, wish.operation, deed.at, recorded)
        difference = None
        if isinstance(decided, Refused):
            difference = self._refused(deed, wish, decided, recorded)
            if self._cascading:
                self._forks[deed.cid] = recorded.copy()
        elif self._cascading and _said(decided) != _said(_telling(deed, recorded)):
            difference = _otherwise(deed, wish, decided)
            self._forks[deed.cid] = recorded.copy().take(decided)
        recorded.take(deed.records)
        return difference

    def _on_a_fork(
        self, deed: Deed, wish: Wish, recorded: CallWorld, fork: CallWorld
    ) -> Difference | None:
        """On a call that has gone another way."""
        if self._cascading:
            fire_due(fork, deed.at, self._turn)
        decided = self._decided(deed.cid, wish.claim, wish.operation, deed.at, fork)
        told = _telling(deed, recorded)
        difference = None
        if isinstance(decided, Refused):
            difference = self._refused(deed, wish, decided, fork)
        elif self._cascading:
            if _said(decided) != _said(told):
                difference = _otherwise(deed, wish, decided)
            fork.take(decided)
        if not self._cascading:
            fork.take(deed.records)
        recorded.take(deed.records)
        return difference

    def _happened(self, deed: Deed, recorded: CallWorld) -> None:
        """It is a fact, as far as it stands."""
        stands = self._supposed.stands
        standing = deed.records
        if self._supposed.removes:
            standing = [record for record in deed.records if stands(record)]
            if len(standing) < len(deed.records) and deed.cid not in self._forks:
                self._forks[deed.cid] = recorded.copy()
        fork = self._forks.get(deed.cid)
        if fork is not None:
            fork.take(standing)
        recorded.take(deed.records)

    def _decided(
        self, cid: CallId, claim: Claim, operation: Wanted, at: datetime, world: CallWorld
    ) -> Decided:
        turn = self._turn(cid, claim, at, world)
        try:
            operation.decide(turn)
        except Refused as refusal:
            return refusal
        except InvalidInput:  # e.g. custom data that another policy does not let be written
            return []
        return turn.steps

    def _turn(self, cid: CallId, claim: Claim, at: datetime, world: CallWorld) -> CallTurn:
        return self._turned(CallTurn, cid, claim, at, world)

    def _turned(
        self, kind: type[T], cid: CallId, claim: Claim, at: datetime, world: CallWorld
    ) -> T:
        def load(stream: StreamId) -> Folded[Any]:
            return self._loaded(world, stream)

        turn = kind(cid, claim, at, load, world.member_ids)
        turn.rules = self._supposed.rules
        return turn

    def _loaded(self, world: CallWorld, stream: StreamId) -> Folded[Any]:
        if stream.startswith(_COMMON):
            return self._commons.load(stream)
        return world.load(stream)

    def _refused(
        self, deed: Deed, wish: Wish, refusal: Refused, world: CallWorld
    ) -> Difference | None:
        """Refused now, and why; nothing where nobody had asked."""
        if not wish.asked:
            return None
        asked = self._examined(deed.cid, wish, deed.at, world)
        return Difference(
            kind=Kind.NEWLY_REFUSED,
            code=refusal.code,
            message=str(refusal),
            reason=reason_of(asked[-1]),
            **_about(deed, wish),
        )

    def _examined(self, cid: CallId, wish: Wish, at: datetime, world: CallWorld) -> Sequence[Asked]:
        """The rules that are asked, and what they see."""
        asked, _ = examine(self._turned(ExaminedTurn, cid, wish.claim, at, world), wish.operation)
        return asked


def _otherwise(deed: Deed, wish: Wish, decided: Sequence[Step]) -> Difference | None:
    """Something else is recorded; nothing to tell where nobody had asked."""
    if not wish.asked:
        return None
    names = tuple(step.event.name for step in decided)
    return Difference(kind=Kind.OTHERWISE, would_record=names, **_about(deed, wish))


def _about(deed: Deed, wish: Wish) -> dict[str, Any]:
    return {
        "cid": deed.cid,
        "user_id": wish.claim.user_id,
        "operation": wish.operation.name,
        "position": deed.position,
        "at": deed.at,
    }


def _said(steps: Iterable[Step | Record]) -> list[tuple[Any, ...]]:
    return [(step.stream, step.version, step.event) for step in steps]


def _telling(deed: Deed, recorded: CallWorld) -> Sequence[Record]:
    """What `deed` recorded, without what an erasure has left nothing to tell of."""
    return [record for record in deed.records if not _is_blank(record, recorded)]


def _is_blank(record: Record, recorded: CallWorld) -> bool:
    if not isinstance(record.event, CallUpdated | MemberUpdated):
        return False
    before = recorded.load(record.stream).state
    after = decider_of(record.stream).evolve(before, record.event)
    alike = bool(replace(after, updated_at=before.updated_at) == before)
    return alike and same_json(after.custom, before.custom)
