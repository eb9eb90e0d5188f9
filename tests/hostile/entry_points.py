"""Every public way into a room, each with arguments that are well meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from greenroom import Backstage, CallHandle, Entry, Greenroom, Member, PastRoom, UserHandle, desc
from greenroom.testing.clock import VirtualClock

START: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass
class House:
    """A room with a call in it, that thierry made and alice belongs to."""

    room: Greenroom
    clock: VirtualClock
    thierry: UserHandle
    call: CallHandle
    entry: Entry

    @cached_property
    def past(self) -> PastRoom:
        """The room as it was when somebody first asked."""
        return self.room.at(self.room.position)

    @classmethod
    @contextmanager
    def build(cls, url: str = "memory://", *, timers: bool = False) -> Iterator[House]:
        clock = VirtualClock(START)
        with Greenroom.open(url, clock=clock, timers=timers) as room:
            yield cls.furnished(room, clock)

    @classmethod
    def furnished(cls, room: Greenroom, clock: VirtualClock) -> House:
        thierry = room.as_user("thierry", role="admin", teams=[])
        call = thierry.call("default", "appointment-7")
        call.create(members=[Member("alice"), Member("thierry", role="host")])
        return cls(room, clock, thierry, call, call.join())


@dataclass(frozen=True)
class EntryPoint:
    """A method of a public class."""

    method: str
    call: Callable[..., object]
    """Takes the house and the arguments."""
    good: Mapping[str, object] = field(default_factory=dict)
    """Arguments by name, each well meant; those that must be given first."""
    needed: int = 0
    """How many must be given."""

    def __call__(self, house: House, **changed: object) -> object:
        needed = dict(list(self.good.items())[: self.needed])
        return self.call(house, **{**needed, **changed})


def _on(
    owner: str, find: Callable[[House], object], **methods: tuple[int, Mapping[str, object]]
) -> list[EntryPoint]:
    def caller(name: str) -> Callable[..., object]:
        def call(house: House, **arguments: object) -> object:
            method: Callable[..., object] = getattr(find(house), name)
            return method(**arguments)

        return call

    return [
        EntryPoint(f"{owner}.{name}", caller(name), good, needed)
        for name, (needed, good) in methods.items()
    ]


_ID: Final[dict[str, object]] = {"request_id": "request-1"}
_OUT: Final[dict[str, object]] = {"ring": False, "notify": False, "video": True}
_QUERY: Final[dict[str, object]] = {
    "filters": {},
    "sort": [desc("created_at")],
    "limit": 5,
    "cursor": None,
    "at_least": 1,
}
_HISTORY: Final[dict[str, object]] = {
    "user": "alice",
    "kinds": ["session", "member.added"],
    "start": START,
    "end": START,
    "after": 2,
}
_EXPLAINED: Final = {name: _QUERY[name] for name in ("filters", "sort", "limit", "cursor")}
_OPTIONS: Final[dict[str, object]] = {
    "custom": {"color": "red"},
    "starts_at": START,
    "settings": {"limits": {"max_participants": 9}},
    "max_duration": 60,
    "max_participants": 5,
    "backstage": Backstage(enabled=True, join_ahead_time_seconds=300),
}
_CREATE: Final[dict[str, object]] = {
    "members": [Member("charlie", "host", {"a": 1})],
    "member_ids": ["jaewoong"],
    "team": "stream",
    **_OPTIONS,
    **_OUT,
}
_ONE: Final[dict[str, object]] = {"user_id": "alice", **_ID}


_TRACKS: Final[dict[str, object]] = {
    "audio": True,
    "video": True,
    "screenshare": False,
    "screenshare_audio": False,
}


def _calls() -> list[EntryPoint]:
    participants = {**_QUERY, "sort": [desc("joined_at")]}
    permissions: dict[str, object] = {"permissions": ["send-audio"]}
    return _on(
        "CallHandle",
        lambda house: house.call,
        create=(0, {**_CREATE, **_ID}),
        get=(0, {**_OUT, **_ID}),
        update=(0, {**_OPTIONS, **_ID}),
        go_live=(0, _ID),
        stop_live=(0, _ID),
        end=(0, _ID),
        delete=(0, {"hard": False, **_ID}),
        restore=(0, _ID),
        join=(0, {"create": True, **_OUT, **_ID}),
        leave=(0, _ID),
        add_members=(1, {"members": [Member("charlie", "host", {"a": 1})], **_ID}),
        update_members=(1, {"members": [Member("alice", custom={"a": 1})], **_ID}),
        remove_members=(1, {"user_ids": ["charlie"], **_ID}),
        block=(1, _ONE),
        unblock=(1, _ONE),
        kick=(1, {"user_id": "alice", "block": False, **_ID}),
        mute=(2, {"user_ids": ["alice"], **_TRACKS, **_ID}),
        pin=(1, {"user_id": "thierry", **_ID}),
        start_recording=(0, _ID),
        stop_recording=(0, _ID),
        unpin=(1, {"user_id": "thierry", **_ID}),
        request_permissions=(1, {**permissions, **_ID}),
        grant_permissions=(2, {"user_id": "alice", **permissions, **_ID}),
        revoke_permissions=(2, {"user_id": "alice", **permissions, **_ID}),
        ring=(1, {"member_ids": ["alice"], "video": True, **_ID}),
        cancel_ring=(0, _ID),
        accept=(0, _ID),
        reject=(0, {"reason": "busy", **_ID}),
        notify=(1, {"member_ids": ["alice"], **_ID}),
        send_event=(1, {"custom": {"wave": True}}),
        watch=(1, {"listener": lambda _user_id, _custom: None}),
        query_members=(0, _QUERY),
        query_participants=(0, participants),
        query_sessions=(0, {**_QUERY, "sort": [desc("started_at")]}),
        history=(0, _HISTORY),
        attendance=(0, {"at": START}),
        follow_history=(0, {**_HISTORY, "seconds": 0}),
        explain=(1, {"operation": "join", "user": "alice", "role": "user", "create": True}),
        attempts=(0, {"user": "alice", "limit": 5}),
        current_session=(1, {"at_least": 1}),
        member_page=(2, {"limit": 5, "at_least": 1}),
        member_count=(1, {"at_least": 1}),
    )


def _rooms() -> list[EntryPoint]:
    who: dict[str, object] = {"user_id": "alice", "role": "user", "teams": ["stream"]}
    a_type: dict[str, object] = {
        "name": "my-type",
        "based_on": "default",
        "settings": {"backstage": {"enabled": True}},
        "indexed_custom": {"members": {"color": "string"}},
    }
    grant: dict[str, object] = {"name": "default", "role": "guest", "capability": "join-call"}
    person: dict[str, object] = {
        "user_id": "alice",
        "name": "Alice",
        "role": "user",
        "teams": ["stream"],
        "custom": {"plan": "gold"},
    }
    change: dict[str, object] = {"name": "default", "settings": {"video": {"enabled": True}}}
    return [
        *_on(
            "Greenroom",
            lambda house: house.room,
            as_user=(1, who),
            system=(1, {"name": "scheduler"}),
            at=(1, {"moment": 7}),
            rebuild=(0, {"progress": lambda _: None, "compare": False}),
            retry_parked=(0, {"projection": "members", "key": "default:123"}),
            positions=(0, {}),
            parked=(0, {}),
            keep_past=(0, {"progress": lambda _: None}),
            drop_past=(0, {}),
            kept_past=(0, {}),
        ),
        *_on(
            "PastRoom",
            lambda house: house.past,
            as_user=(1, who),
            system=(1, {"name": "scheduler"}),
        ),
        *_on(
            "UserHandle",
            lambda house: house.thierry,
            call=(1, {"call_type": "default", "id": "123"}),
            query_calls=(0, _QUERY),
            explain_query=(1, {"kind": "calls", "cid": None, **_EXPLAINED}),
        ),
        *_on(
            "CallTypes",
            lambda house: house.room.call_types,
            create=(1, {**a_type, **_ID}),
            update=(2, {**change, **_ID}),
            grant=(3, {**grant, **_ID}),
            revoke=(3, {**grant, **_ID}),
            get=(1, {"name": "default"}),
        ),
        *_on(
            "Users",
            lambda house: house.room.users,
            upsert=(1, {**person, **_ID}),
            get=(1, {"user_id": "alice"}),
            erase=(1, {"user_id": "alice", **_ID}),
        ),
        *_on("PastCallTypes", lambda house: house.past.call_types, get=(1, {"name": "default"})),
        *_on("PastUsers", lambda house: house.past.users, get=(1, {"user_id": "alice"})),
        *_on(
            "Outbox",
            lambda house: house.room.outbox,
            entries=(0, {"status": "pending", "limit": 5}),
            retry=(2, {"key": "no-such-key", "now": START}),
        ),
        *_on("Entry", lambda house: house.entry, unmute=(1, {**_TRACKS, **_ID}), leave=(0, _ID)),
    ]


ENTRY_POINTS: Final = [*_calls(), *_rooms()]

NOT_HERE: Final = {
    "Greenroom.open": "its faults have a table of their own",
    "Greenroom.close": "takes nothing",
    **dict.fromkeys(
        ("Outbox.open", "Outbox.position", "Outbox.follow", "Outbox.deliver_due", "Outbox.hush"),
        "the room's own business",
    ),
    "Outbox.next_due": "takes nothing",
    "Outbox.close": "takes nothing",
    "PastRoom.close": "takes nothing",
    "CallTypes.list": "takes nothing",
    "PastCallTypes.list": "takes nothing",
    "Greenroom.what_if": "whatif/test_asking.py",
    **dict.fromkeys(
        ("UserHandle.import_members", "CallHandle.import_members"),
        "test_importing.py: what the iterable raises is passed on",
    ),
    **dict.fromkeys(
        ("Entry.offer", "Entry.candidates", "Entry.hang_up"),
        "test_offers.py",
    ),
    **dict.fromkeys(
        ("Entry.invite", "Entry.next_invitation", "Entry.accept"),
        "engine/test_invited.py",
    ),
    **dict.fromkeys(("Entry.ticket", "Greenroom.entry"), "test_tickets.py"),
    "Entry.slots": "takes nothing",
    "Entry.ice_servers": "takes nothing",
    "CallHandle.media_stats": "takes nothing",
    "CallHandle.recordings": "takes nothing",
    "Greenroom.media_stats": "takes nothing",
}
"""Public methods that are tried elsewhere."""


def public_methods(*classes: type) -> set[str]:
    """`Class.method` of everything that can be called."""
    return {
        f"{owner.__name__}.{name}"
        for owner in classes
        for base in owner.__mro__[:-1]
        for name, member in vars(base).items()
        if not name.startswith("_") and callable(getattr(owner, name)) and callable_(member)
    }


def callable_(member: Any) -> bool:
    """Whether a member of a class is a method, not a property or an attribute."""
    return callable(member) or isinstance(member, (classmethod, staticmethod))
