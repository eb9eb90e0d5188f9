"""Random histories: any order of things that the rules could have let happen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st
from tests.projections.history import History

from greenroom.domain import call_events as call
from greenroom.domain import membership, session_events
from greenroom.domain.message import CallId

CIDS = (CallId("livestream:123"), CallId("default:standup"))
PEOPLE = ("thierry", "tommaso", "alice", "charlie", "jaewoong")


class Step(NamedTuple):
    """One thing to happen, if it can: `what` of the table below, to whom, where, and a number."""

    what: str
    who: str
    cid: CallId
    number: int


class _Call:
    def __init__(self) -> None:
        self.members: set[str] = set()
        self.entries: dict[str, str] = {}
        self.lost: set[str] = set()
        self.session = 0
        self.on = False
        self.ring = 0
        self.deleted = False


class Story:
    """Turns steps into a history; a step that the rules would refuse does nothing."""

    def __init__(self) -> None:
        self.history = History()
        self._calls: dict[CallId, _Call] = {}

    def take(self, steps: Sequence[Step]) -> History:
        for step in steps:
            self._take(step)
        return self.history

    def _take(self, step: Step) -> None:
        history, cid, who = self.history, step.cid, step.who
        if step.what == "upsert":
            history.upserted(who, name=who.title(), custom={"plan": step.number})
        elif step.what == "forget":
            history.forgotten(who)
        elif cid not in self._calls:
            self._calls[cid] = _Call()
            starts_at = history.now + timedelta(hours=1) if step.number % 2 else None
            history.created(cid, by=who, custom={"n": step.number}, starts_at=starts_at)
        elif self._calls[cid].deleted:
            return
        else:
            STEPS[step.what](self, self._calls[cid], step)

    def _put(self, state: _Call, step: Step) -> None:
        custom = {"n": step.number, "tags": [step.who]}
        if step.who in state.members:
            self.history.of_member(
                membership.MemberUpdated, step.who, step.cid, role="host", custom=custom
            )
        else:
            state.members.add(step.who)
            self.history.added(step.who, cid=step.cid, custom=custom)

    def _remove(self, state: _Call, step: Step) -> None:
        if step.who in state.members:
            state.members.remove(step.who)
            self.history.removed(step.who, step.cid)

    def _join(self, state: _Call, step: Step) -> None:
        if not state.on:
            state.on, state.session = True, state.session + 1
            timer = self.history.now + timedelta(seconds=60) if step.number % 2 else None
            self.history.session_started(state.session, step.cid, timer_ends_at=timer)
        entry = f"entry-{len(self.history.pairs)}"
        state.entries[entry] = step.who
        self.history.joined(step.who, entry, state.session, step.cid)
        if step.number % 3 == 0:
            self.history.in_session(
                session_events.MediaConnected,
                state.session,
                step.cid,
                entry_id=entry,
                fingerprint="aa:bb",
            )
            self._media(state, step, entry)

    def _media(self, state: _Call, step: Step, entry: str) -> None:
        """What comes of a connection: it publishes, is muted, ends."""
        audio = session_events.Track.AUDIO
        of_entry: dict[str, Any] = {"entry_id": entry, "epoch": 1}
        about = (state.session, step.cid)
        tell = self.history.in_session
        tell(session_events.MediaPublished, *about, **of_entry, kind=audio)
        muted: dict[str, Any] = {
            "tracks": (audio, session_events.Track.VIDEO),
            "entry_ids": (entry,),
        }
        tell(session_events.UsersMuted, *about, user_ids=("alice",), **muted)
        if step.number % 2 == 0:
            tell(session_events.UserUnmuted, *about, user_id="alice", **muted)
            tell(session_events.MediaUnpublished, *about, **of_entry, kind=audio)
            tell(
                session_events.MediaLost,
                *about,
                **of_entry,
                leaves_at=self.history.now + timedelta(seconds=15),
            )
            state.lost.add(entry)

    def _leave(self, state: _Call, step: Step) -> None:
        if state.entries:
            entry, who = state.entries.popitem()
            closes_at = None if state.entries else self.history.now + timedelta(seconds=30)
            said: dict[str, Any] = {"closes_at": closes_at, "awaited": entry in state.lost}
            self.history.left(who, entry, state.session, step.cid, **said)

    def _close(self, state: _Call, step: Step) -> None:
        while state.entries:
            self._leave(state, step)
        if state.on:
            state.on = False
            self.history.session_ended(state.session, step.cid)

    def _end(self, state: _Call, step: Step) -> None:
        self._close(state, step)
        self.history.in_call(call.CallEnded, step.cid, reason="ended")

    def _update(self, state: _Call, step: Step) -> None:
        timer = self.history.now + timedelta(seconds=step.number) if state.on else None
        self.history.updated(
            step.cid,
            custom={"n": step.number},
            timer_ends_at=timer if step.number % 2 else None,
            starts_at=self.history.now if step.number % 3 else None,
        )

    def _go_live(self, _: _Call, step: Step) -> None:
        self.history.in_call(call.WentLive, step.cid, backstage=True)

    def _stop_live(self, _: _Call, step: Step) -> None:
        self.history.in_call(call.StoppedLive, step.cid)

    def _block(self, _: _Call, step: Step) -> None:
        kind = call.UserBlocked if step.number % 2 else call.UserUnblocked
        self.history.in_call(kind, step.cid, user_id=step.who)

    def _ring(self, state: _Call, step: Step) -> None:
        if state.members:
            state.ring += 1
            self.history.rung(state.ring, sorted(state.members), step.cid)

    def _answer(self, state: _Call, step: Step) -> None:
        kinds = (membership.RingAccepted, membership.RingRejected, membership.RingMissed)
        if state.ring:
            kind = kinds[step.number % 3]
            self.history.of_member(kind, step.who, step.cid, ring=state.ring)

    def _cancel(self, state: _Call, step: Step) -> None:
        if state.ring:
            self.history.in_call(call.RingCancelled, step.cid, ring=state.ring, reason="cancelled")

    def _delete(self, state: _Call, step: Step) -> None:
        self._close(state, step)
        hard = step.number % 2 == 0
        self.history.in_call(call.CallDeleted, step.cid, hard=hard)
        if hard:
            state.deleted = True
        elif step.number % 3:
            self.history.in_call(call.CallRestored, step.cid)
        else:
            state.deleted = True


STEPS: dict[str, Callable[[Story, _Call, Step], None]] = {
    "put": Story._put,
    "remove": Story._remove,
    "join": Story._join,
    "leave": Story._leave,
    "close": Story._close,
    "end": Story._end,
    "update": Story._update,
    "go_live": Story._go_live,
    "stop_live": Story._stop_live,
    "block": Story._block,
    "ring": Story._ring,
    "answer": Story._answer,
    "cancel": Story._cancel,
    "delete": Story._delete,
}

_STEP = st.builds(
    Step,
    st.sampled_from((*STEPS, "upsert", "forget", "put", "join", "leave", "answer")),
    st.sampled_from(PEOPLE),
    st.sampled_from(CIDS),
    st.integers(0, 5),
)


def histories(max_size: int = 40) -> st.SearchStrategy[History]:
    """Histories of two calls and five people."""
    return st.lists(_STEP, max_size=max_size).map(lambda steps: Story().take(steps))
