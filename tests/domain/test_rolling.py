"""A session that is rolled up at once is the same as one that evolves event by event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import accumulate, combinations
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from greenroom.domain.access import USER
from greenroom.domain.admission import Evidence
from greenroom.domain.message import CallId, EntryId, Role, UserId
from greenroom.domain.session import SESSION
from greenroom.domain.session_events import (
    Joined,
    Left,
    LeftReason,
    MediaConnected,
    MediaLost,
    MediaMeasured,
    MediaPublished,
    MediaStatistics,
    MediaUnpublished,
    Pinned,
    RecordedFile,
    RecordingEnd,
    RecordingResumed,
    RecordingStarted,
    RecordingStopped,
    SessionEvent,
    Track,
    TrackRecorded,
    Unpinned,
    UsersMuted,
    UserUnmuted,
)
from greenroom.domain.session_state import Session

AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
CID: Final = CallId("default:123")
EVIDENCE: Final = Evidence(call=1, call_type=1, membership=0, user=0, member_role=None, owner=False)
USERS: Final = st.sampled_from([UserId(name) for name in ("thierry", "alice", "charlie")])
ENTRIES: Final = st.sampled_from([EntryId(f"entry-{n}") for n in range(5)])
INSTANTS: Final = st.integers(0, 9).map(lambda seconds: AT + timedelta(seconds=seconds))


@st.composite
def joinings(draw: st.DrawFn) -> Joined:
    """Anybody through any entry, one that is in use included."""
    return Joined(
        at=draw(INSTANTS),
        cid=CID,
        session=1,
        entry_id=draw(ENTRIES),
        user_id=draw(USERS),
        role=draw(st.sampled_from([USER, Role("admin")])),
        counts=draw(st.booleans()),
        muted=draw(st.sampled_from([(), (Track.VIDEO,)])),
        evidence=EVIDENCE,
    )


@st.composite
def leavings(draw: st.DrawFn) -> Left:
    """Any entry, whether or not it is in, said to be anybody's."""
    return Left(
        at=draw(INSTANTS),
        cid=CID,
        session=1,
        entry_id=draw(ENTRIES),
        user_id=draw(USERS),
        reason=draw(st.sampled_from(LeftReason)),
        closes_at=draw(st.none() | INSTANTS),
    )


def a_file(entry_id: EntryId) -> RecordedFile:
    return RecordedFile(
        name=f"{entry_id}.webm",
        codec="VP8",
        starts_after=0,
        seconds=1,
        bytes=1,
        sha256="",
    )


@st.composite
def others(draw: st.DrawFn) -> SessionEvent:
    """What else is recorded of a session."""
    at, entry_id, user_id = draw(INSTANTS), draw(ENTRIES), draw(USERS)
    epoch, ids = draw(st.integers(1, 4)), tuple(draw(st.lists(ENTRIES, max_size=3)))
    tracks = (Track.AUDIO, Track.VIDEO)
    events: list[SessionEvent] = [
        MediaConnected(
            at=at, cid=CID, session=1, entry_id=entry_id, epoch=epoch, fingerprint="aa:bb"
        ),
        MediaPublished(at=at, cid=CID, session=1, entry_id=entry_id, epoch=epoch, kind=Track.AUDIO),
        MediaUnpublished(
            at=at, cid=CID, session=1, entry_id=entry_id, epoch=epoch, kind=Track.AUDIO
        ),
        MediaLost(at=at, cid=CID, session=1, entry_id=entry_id, epoch=epoch, leaves_at=at),
        MediaMeasured(
            at=at, cid=CID, session=1, entry_id=entry_id, epoch=epoch, statistics=MediaStatistics()
        ),
        Pinned(at=at, cid=CID, session=1, user_id=user_id),
        Unpinned(at=at, cid=CID, session=1, user_id=user_id),
        UsersMuted(at=at, cid=CID, session=1, user_ids=(user_id,), tracks=tracks, entry_ids=ids),
        UserUnmuted(
            at=at, cid=CID, session=1, user_id=user_id, tracks=(Track.AUDIO,), entry_ids=ids
        ),
        RecordingStarted(at=at, cid=CID, session=1, recording=epoch),
        RecordingResumed(at=at, cid=CID, session=1, recording=epoch),
        RecordingStopped(at=at, cid=CID, session=1, recording=epoch, reason=RecordingEnd.STOPPED),
        TrackRecorded(
            at=at,
            cid=CID,
            session=1,
            recording=epoch,
            entry_id=entry_id,
            user_id=user_id,
            epoch=epoch,
            kind=Track.VIDEO,
            file=a_file(entry_id),
        ),
    ]
    return draw(st.sampled_from(events))


@st.composite
def courses(draw: st.DrawFn) -> Sequence[SessionEvent]:
    """Events in any order, some of them twice."""
    events = draw(st.lists(joinings() | leavings() | others(), max_size=15))
    again = draw(st.lists(st.sampled_from(events), max_size=5)) if events else []
    return draw(st.permutations([*events, *again]))


@given(before=courses(), events=courses())
def test_rolling_up_is_evolving_by_one_after_the_other(
    before: Sequence[SessionEvent], events: Sequence[SessionEvent]
) -> None:
    state: Session = reduce(SESSION.evolve, before, SESSION.initial)
    assert SESSION.roll is not None
    assert SESSION.roll(state, iter(events)) == reduce(SESSION.evolve, events, state)


@given(before=courses(), events=courses())
def test_rolling_up_leaves_the_state_before_as_it_was(
    before: Sequence[SessionEvent], events: Sequence[SessionEvent]
) -> None:
    state: Session = reduce(SESSION.evolve, before, SESSION.initial)
    assert SESSION.roll is not None
    SESSION.roll(state, events)
    assert state == reduce(SESSION.evolve, before, SESSION.initial)


def test_wherever_it_is_cut_what_is_told_of_an_entry_after_it_left_counts_once() -> None:
    gone, alice = EntryId("entry-0"), UserId("alice")
    of: dict[str, Any] = {"at": AT, "cid": CID, "session": 1}
    course: list[SessionEvent] = [
        Joined(
            **of, entry_id=gone, user_id=alice, role=USER, counts=True, muted=(), evidence=EVIDENCE
        ),
        MediaConnected(**of, entry_id=gone, epoch=1, fingerprint="aa:bb"),
        MediaConnected(**of, entry_id=gone, epoch=2, fingerprint="aa:bb"),
        MediaPublished(**of, entry_id=gone, epoch=2, kind=Track.AUDIO),
        UsersMuted(
            **of, user_ids=(alice,), tracks=(Track.AUDIO,), entry_ids=(EntryId("entry-4"), gone)
        ),
        Pinned(**of, user_id=alice),
        Unpinned(**of, user_id=alice),
        Pinned(**of, user_id=alice),
        Left(**of, entry_id=gone, user_id=alice, reason=LeftReason.LEFT, closes_at=AT),
        MediaLost(**of, entry_id=gone, epoch=1, leaves_at=None),
        MediaMeasured(**of, entry_id=gone, epoch=2, statistics=MediaStatistics()),
        MediaMeasured(**of, entry_id=gone, epoch=3, statistics=MediaStatistics()),
        MediaMeasured(**of, entry_id=gone, epoch=1, statistics=MediaStatistics()),
    ]
    states = list(accumulate(course, SESSION.evolve, initial=SESSION.initial))
    assert dict(states[10].unmeasured) == {gone: (1, 2)}
    assert not states[10].pinned
    assert dict(states[12].unmeasured) == {gone: (1,)}
    assert not states[13].unmeasured
    assert SESSION.roll is not None
    for start, end in combinations(range(len(states)), 2):
        assert SESSION.roll(states[start], course[start:end]) == states[end]
