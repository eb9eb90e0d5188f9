"""Coming and going (semantics 3)."""

from __future__ import annotations

from greenroom.domain import checks
from greenroom.domain.access import Capability
from greenroom.domain.admission import Verdict, admit
from greenroom.domain.call_commands import EndSession, StartSession
from greenroom.domain.call_state import Existence
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.membership import Accept
from greenroom.domain.message import EntryId
from greenroom.domain.operations.life import NewCall, call_out, end_if_over
from greenroom.domain.operations.operation import Operation
from greenroom.domain.operations.recording import start_if_always_on
from greenroom.domain.session_commands import Enter, Leave
from greenroom.domain.turn import TIMERS


def join(
    entry_id: EntryId,
    *,
    create: NewCall | None = None,
    ring: bool = False,
    notify: bool = False,
    video: bool = True,
) -> Operation[CallTurn]:
    """Enter the call through a new connection; create the call first where that is wanted."""
    checks.flags(ring=ring, notify=notify, video=video)

    def decide(turn: CallTurn) -> None:
        _enter(turn, entry_id, created=_prepare(turn, create))
        call_out(turn, ring=ring, notify=notify, video=video)

    return Operation(
        "join", decide, {"create": create, "ring": ring, "notify": notify, "video": video}
    )


def leave(entry_id: EntryId | None = None) -> Operation[CallTurn]:
    """Close one's own entry; every entry of one's own where none is named."""

    def decide(turn: CallTurn) -> None:
        user_id = turn.actor.user_id
        occupant = turn.session.occupants.get(user_id)
        # Whoever is in may go, though the call may be closed to their team by now.
        call = turn.call if occupant else turn.existing()
        mine = occupant.entry_ids if occupant else ()
        for one in mine if entry_id is None else (entry_id,):
            turn.tell_session(
                Leave(
                    at=turn.at,
                    by=turn.by,
                    cid=turn.cid,
                    session=call.session,
                    entry_id=one,
                    inactivity_timeout=turn.inactivity_timeout,
                )
            )

    return Operation("leave", decide, {"entry_id": entry_id})


def admission(turn: CallTurn, *, create: bool) -> Verdict:
    """What joining would be answered now, by which rules; the call may be created for it."""
    created = _prepare(turn, NewCall() if create else None)
    by = turn.by
    return admit(turn.join_facts(by, created=created), turn.session.occupancy(by.user_id))


def _prepare(turn: CallTurn, create: NewCall | None) -> bool:
    """Bring the call to where joining starts; whether it had to be created."""
    created = False
    if create is not None and turn.call.existence is Existence.ABSENT:
        turn.known_type()
        created = turn.by.may(Capability.CREATE_CALL) and create.in_turn(turn)
    end_if_over(turn)
    close_if_over(turn)
    return created


def _enter(turn: CallTurn, entry_id: EntryId, *, created: bool) -> None:
    call = turn.call
    if call.existence is Existence.HERE and not call.session:
        turn.tell_call(StartSession(at=turn.at, by=turn.by, cid=turn.cid, settings=turn.settings))
        start_if_always_on(turn)
    by = turn.by
    turn.tell_session(
        Enter(
            at=turn.at,
            by=by,
            cid=turn.cid,
            session=turn.call.session,
            entry_id=entry_id,
            facts=turn.join_facts(by, created=created),
        )
    )
    _accept(turn)


def close_if_over(turn: CallTurn) -> None:
    """End a session that has been empty for long enough, whether or not the timer was heard."""
    number, closes_at = turn.call.session, turn.session.closes_at
    if number and closes_at is not None and closes_at <= turn.at:
        turn.tell_call(EndSession(at=turn.at, by=TIMERS, cid=turn.cid, session=number))


def _accept(turn: CallTurn) -> None:
    """Who joins on a ring has answered it."""
    user_id = turn.actor.user_id
    ring = turn.call.open_ring(user_id, turn.at)
    if ring is not None:
        turn.tell_member(
            Accept(
                at=turn.at,
                by=turn.by,
                cid=turn.cid,
                user_id=user_id,
                ring=ring.number,
                joined=True,
            )
        )
