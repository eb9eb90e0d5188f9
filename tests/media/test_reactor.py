from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.domain.access import Capability
from greenroom.domain.admission import Evidence
from greenroom.domain.call_events import CallUpdated
from greenroom.domain.call_type import Granted, Revoked, SettingsChanged
from greenroom.domain.membership import (
    MemberAdded,
    MemberRemoved,
    MemberUpdated,
    PermissionsGranted,
    PermissionsRevoked,
    RingMissed,
)
from greenroom.domain.message import (
    Actor,
    CallId,
    EntryId,
    Event,
    EventId,
    Recorded,
    RequestId,
    Role,
    StreamId,
    UserId,
)
from greenroom.domain.session_events import Joined, Left, LeftReason
from greenroom.domain.streams import (
    call_stream,
    member_stream,
    session_stream,
    type_stream,
    user_stream,
)
from greenroom.domain.user import UserErased, UserUpserted
from greenroom.media.port import Kind, MediaEntry
from greenroom.media.reactor import MediaReactor, Presence
from greenroom.testing.media import FakeMedia, Told, Witness

AT = datetime(2026, 1, 1, tzinfo=UTC)
LOUNGE, STUDIO, CHAT = CallId("livestream:lounge"), CallId("livestream:studio"), CallId("default:1")
THIERRY, ALICE, CHARLIE = UserId("thierry"), UserId("alice"), UserId("charlie")
EVIDENCE = Evidence(call=1, call_type=1, membership=0, user=0, member_role=None, owner=False)
NOTHING: frozenset[Kind] = frozenset()
SOUND: frozenset[Kind] = frozenset({"audio"})
ALL: frozenset[Kind] = frozenset({"audio", "video", "screenshare"})


def entry_of(cid: CallId, user: UserId) -> EntryId:
    return EntryId(f"{cid}/{user}")


def joined(cid: CallId, user: UserId) -> tuple[StreamId, Event]:
    return session_stream(cid, 1), Joined(
        at=AT,
        cid=cid,
        session=1,
        entry_id=entry_of(cid, user),
        user_id=user,
        role=Role("user"),
        counts=True,
        evidence=EVIDENCE,
    )


def left(cid: CallId, user: UserId) -> tuple[StreamId, Event]:
    return session_stream(cid, 1), Left(
        at=AT,
        cid=cid,
        session=1,
        entry_id=entry_of(cid, user),
        user_id=user,
        reason=LeftReason.LEFT,
    )


class Feed:
    """Hands a reactor one record after another, as the log would."""

    def __init__(self, reactor: MediaReactor) -> None:
        self.reactor = reactor
        self.positions = itertools.count(reactor.position + 1)
        self.records: list[Recorded[Event]] = []

    def says(self, *facts: tuple[StreamId, Event]) -> None:
        for stream, event in facts:
            position = next(self.positions)
            self.records.append(
                Recorded(
                    stream=stream,
                    version=position,
                    event=event,
                    event_id=EventId(str(position)),
                    by=Actor(name="test", system=True),
                    request_id=RequestId(str(position)),
                    correlation_id=RequestId(str(position)),
                    position=position,
                )
            )
            self.reactor.react(self.records[-1])


class Room:
    """A reactor on a fake port, with rights that the test can change."""

    def __init__(self) -> None:
        self.rights: dict[tuple[CallId, UserId], frozenset[Kind]] = {}
        self.media = FakeMedia()
        self.media.start(Witness())
        self.feed = Feed(MediaReactor(self.media, self.wanted))

    def wanted(self, one: Presence) -> MediaEntry:
        may_send = self.may_send(one.cid, one.user_id)
        return MediaEntry(one.entry_id, one.cid, one.session, one.user_id, may_send)

    def may_send(self, cid: CallId, user: UserId) -> frozenset[Kind]:
        return self.rights.get((cid, user), NOTHING)

    def sends(self, cid: CallId, user: UserId) -> frozenset[Kind]:
        return self.media.entry(entry_of(cid, user)).may_send

    def told_since(self, before: int) -> Sequence[Told]:
        return self.media.told[before:]


@pytest.fixture
def room() -> Room:
    return Room()


def test_joining_opens_and_leaving_closes(room: Room) -> None:
    room.rights[LOUNGE, THIERRY] = ALL
    room.feed.says(joined(LOUNGE, THIERRY), joined(LOUNGE, ALICE))
    assert room.sends(LOUNGE, THIERRY) == ALL
    assert room.sends(LOUNGE, ALICE) == NOTHING
    room.feed.says(left(LOUNGE, THIERRY))
    assert room.media.entries() == {entry_of(LOUNGE, ALICE)}


def of_member(make: Callable[..., Event], **fields: object) -> tuple[StreamId, Event]:
    event = make(at=AT, cid=LOUNGE, user_id=ALICE, **fields)
    return member_stream(LOUNGE, ALICE), event


SEND_AUDIO = (Capability.SEND_AUDIO,)
CHANGES = {
    "granted": of_member(PermissionsGranted, permissions=SEND_AUDIO),
    "revoked": of_member(PermissionsRevoked, permissions=SEND_AUDIO),
    "added": of_member(MemberAdded),
    "updated": of_member(MemberUpdated, role="host"),
    "removed": of_member(MemberRemoved),
    "known": (user_stream(ALICE), UserUpserted(at=AT, user_id=ALICE)),
    "erased": (user_stream(ALICE), UserErased(at=AT, user_id=ALICE)),
    "role granted": (
        type_stream("livestream"),
        Granted(at=AT, role=Role("user"), capability=Capability.SEND_AUDIO),
    ),
    "role revoked": (
        type_stream("livestream"),
        Revoked(at=AT, role=Role("user"), capability=Capability.SEND_AUDIO),
    ),
    "call updated": (call_stream(LOUNGE), CallUpdated(at=AT, cid=LOUNGE, backstage=False)),
    "settings": (type_stream("livestream"), SettingsChanged(at=AT, settings={})),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_may_change_a_right_is_asked_about_at_once(room: Room, change: str) -> None:
    room.feed.says(joined(LOUNGE, ALICE))
    room.rights[LOUNGE, ALICE] = SOUND
    room.feed.says(CHANGES[change])
    assert room.sends(LOUNGE, ALICE) == SOUND


@pytest.mark.parametrize("change", CHANGES)
def test_nobody_is_asked_about_who_it_does_not_concern(room: Room, change: str) -> None:
    room.feed.says(joined(CHAT, CHARLIE))
    before = len(room.media.told)
    room.feed.says(CHANGES[change])
    assert room.told_since(before) == []


def test_a_grant_of_a_type_reaches_every_call_of_that_type(room: Room) -> None:
    room.feed.says(joined(LOUNGE, ALICE), joined(STUDIO, CHARLIE), joined(CHAT, THIERRY))
    for where in ((LOUNGE, ALICE), (STUDIO, CHARLIE), (CHAT, THIERRY)):
        room.rights[where] = SOUND
    room.feed.says(CHANGES["role granted"])
    assert room.sends(LOUNGE, ALICE) == SOUND
    assert room.sends(STUDIO, CHARLIE) == SOUND
    assert room.sends(CHAT, THIERRY) == NOTHING


def test_a_grant_of_a_type_reaches_who_stayed_when_others_left_the_call(room: Room) -> None:
    room.feed.says(joined(LOUNGE, ALICE), joined(LOUNGE, CHARLIE), left(LOUNGE, CHARLIE))
    room.rights[LOUNGE, ALICE] = SOUND
    room.feed.says(CHANGES["role granted"])
    assert room.sends(LOUNGE, ALICE) == SOUND


def test_nothing_is_remembered_of_those_who_left(room: Room) -> None:
    everybody = [(LOUNGE, ALICE), (LOUNGE, CHARLIE), (STUDIO, ALICE), (CHAT, THIERRY)]
    room.feed.says(*(joined(*who) for who in everybody), *(left(*who) for who in everybody))
    kept = {name: value for name, value in vars(room.feed.reactor).items() if value}
    assert set(kept) == {"_media", "_wanted", "_mine", "_position"}


def test_a_permission_in_one_call_changes_nothing_in_another(room: Room) -> None:
    room.feed.says(joined(LOUNGE, ALICE), joined(STUDIO, ALICE))
    before = len(room.media.told)
    room.feed.says(CHANGES["granted"])
    assert room.told_since(before) == [Told("open", entry_of(LOUNGE, ALICE), NOTHING)]


def test_what_does_not_concern_media_tells_it_nothing(room: Room) -> None:
    room.feed.says(joined(LOUNGE, ALICE))
    before = len(room.media.told)
    room.feed.says(of_member(RingMissed, ring=1))
    assert room.told_since(before) == []


def test_a_record_that_comes_again_changes_nothing(room: Room) -> None:
    room.feed.says(joined(LOUNGE, ALICE), left(LOUNGE, ALICE))
    before = len(room.media.told)
    for record in room.feed.records:
        room.feed.reactor.react(record)
    assert room.told_since(before) == []
    assert room.media.entries() == frozenset()


def test_what_media_refuses_is_tried_again_at_the_next_event(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    room.media.fail(entry_of(LOUNGE, ALICE))
    with caplog.at_level(logging.ERROR):
        room.feed.says(joined(LOUNGE, ALICE), joined(LOUNGE, CHARLIE), joined(CHAT, THIERRY))
    assert room.media.entries() == {entry_of(LOUNGE, CHARLIE), entry_of(CHAT, THIERRY)}
    assert [record.getMessage() for record in caplog.records] == [
        f"media of entry {entry_of(LOUNGE, ALICE)} is not as it should be yet"
    ]
    room.media.recover(entry_of(LOUNGE, ALICE))
    room.feed.says(left(CHAT, THIERRY))
    assert room.media.entries() == {entry_of(LOUNGE, ALICE), entry_of(LOUNGE, CHARLIE)}


def test_an_entry_that_left_while_media_failed_is_closed_and_not_opened(room: Room) -> None:
    room.feed.says(joined(LOUNGE, ALICE))
    room.media.fail(entry_of(LOUNGE, ALICE))
    room.feed.says(left(LOUNGE, ALICE))
    assert room.media.entries() == {entry_of(LOUNGE, ALICE)}
    room.media.recover(entry_of(LOUNGE, ALICE))
    room.feed.reactor.settle()
    assert room.media.entries() == frozenset()


def test_a_restart_opens_who_is_present_and_closes_who_left_meanwhile(room: Room) -> None:
    room.feed.says(joined(LOUNGE, ALICE), joined(LOUNGE, CHARLIE))
    present = [joined(LOUNGE, CHARLIE)[1], joined(LOUNGE, THIERRY)[1]]
    again = MediaReactor(
        room.media, room.wanted, present=[j for j in present if isinstance(j, Joined)], position=9
    )
    again.settle()
    assert room.media.entries() == {entry_of(LOUNGE, CHARLIE), entry_of(LOUNGE, THIERRY)}
    again.react(room.feed.records[0])
    assert entry_of(LOUNGE, ALICE) not in room.media.entries()
    assert again.position == 9


WHO = st.tuples(st.sampled_from([LOUNGE, STUDIO, CHAT]), st.sampled_from([THIERRY, ALICE, CHARLIE]))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("join"), WHO, st.just(NOTHING)),
        st.tuples(st.just("leave"), WHO, st.just(NOTHING)),
        st.tuples(st.just("right"), WHO, st.sampled_from([NOTHING, SOUND, ALL])),
        st.tuples(st.just("fail"), WHO, st.just(NOTHING)),
        st.tuples(st.just("recover"), WHO, st.just(NOTHING)),
    ),
    max_size=30,
)


@given(STEPS)
def test_media_ends_as_the_record_and_the_rules_say_whatever_fails_on_the_way(
    steps: list[tuple[str, tuple[CallId, UserId], frozenset[Kind]]],
) -> None:
    room, present = Room(), set[tuple[CallId, UserId]]()
    for what, (cid, user), kinds in steps:
        match what:
            case "join":
                present.add((cid, user))
                room.feed.says(joined(cid, user))
            case "leave":
                present.discard((cid, user))
                room.feed.says(left(cid, user))
            case "right":
                room.rights[cid, user] = kinds
                granted = PermissionsGranted(at=AT, cid=cid, user_id=user, permissions=SEND_AUDIO)
                room.feed.says((member_stream(cid, user), granted))
            case "fail":
                room.media.fail(entry_of(cid, user))
            case _:
                room.media.recover(entry_of(cid, user))
    for cid, user in itertools.product((LOUNGE, STUDIO, CHAT), (THIERRY, ALICE, CHARLIE)):
        room.media.recover(entry_of(cid, user))
    room.feed.reactor.settle()
    assert room.media.entries() == {entry_of(*who) for who in present}
    for who in present:
        assert room.sends(*who) == room.may_send(*who)
