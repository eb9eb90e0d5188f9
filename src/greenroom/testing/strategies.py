"""Random wishes and courses of wishes, for Hypothesis (extra `test`).

Made so that the rules meet one another: few people, few values, pauses around the time limits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from hypothesis import strategies as st

from greenroom.domain.access import PERMISSIONS
from greenroom.domain.message import Role, Team
from greenroom.domain.operations.life import Backstage
from greenroom.domain.operations.members import Member
from greenroom.domain.turn import Claim
from greenroom.testing import asking
from greenroom.testing.history import EMBEDDER, START, Wish
from greenroom.testing.typed import SETTINGS, Drawn, some_of

PEOPLE: Final = ("thierry", "tommaso", "alice", "charlie", "jaewoong")
SYSTEM: Final = Claim("scheduler", system=True)
MEDIA: Final = Claim("media", system=True)
"""Who reports what is nobody's in particular."""


def user_ids() -> st.SearchStrategy[str]:
    """One of five people, alice more often than others, so that wishes meet."""
    return _USER


def cids() -> st.SearchStrategy[str]:
    """A call of a built-in type; mostly of one that rings."""
    return st.sampled_from(("default:123", "development:123", "livestream:123"))


def custom_data() -> st.SearchStrategy[dict[str, Any]]:
    """Custom data of a call, a member or a user, or a patch of it: few keys, and null."""
    return _CUSTOM


def settings_patches() -> st.SearchStrategy[dict[str, dict[str, Any]]]:
    """Settings of a call or of a type, by group and field; a field may be null."""
    return SETTINGS


def grants() -> st.SearchStrategy[dict[str, str]]:
    """What a role may do in calls of a type: the arguments `role` and `capability` of `grant`."""
    return st.fixed_dictionaries({**_GRANT})


def actors() -> st.SearchStrategy[Claim]:
    """Somebody who asks: a user whose role is in their record, one who brings it, the system."""
    recorded = st.sampled_from(("thierry", "alice", *PEOPLE)).map(Claim)
    bringing = st.builds(
        Claim,
        st.sampled_from(PEOPLE),
        st.sampled_from(("user", "guest", "admin")).map(Role),
        st.sampled_from(((), (Team("blue"),))),
    )
    return st.one_of(recorded, recorded, bringing, st.just(SYSTEM))


def wishes() -> st.SearchStrategy[Wish]:
    """Something that somebody asks for of a call, sensible or not."""
    frequent = st.one_of(*(_wish(name, actors()) for name in _FREQUENT))
    answers = st.one_of(*(_wish(name, st.sampled_from(_CALLED)) for name in ("accept", "reject")))
    everyday = st.one_of(*(_wish(name, actors()) for name in _NEEDED))
    of_embedder = st.one_of(*(_wish(name, st.just(EMBEDDER)) for name in _OF_EMBEDDER))
    return st.one_of(frequent, frequent, answers, everyday, everyday, of_embedder)


def wishes_for(name: str, by: Drawn | None = None) -> st.SearchStrategy[Wish]:
    """Somebody who asks for this, of those who may come upon it.

    Args:
        name: of the wish.
        by: who may ask, as claims; anybody by default, and the embedder for what is theirs.
    """
    who = by
    if who is None:
        of_embedder = name.startswith(("types.", "users."))
        who = st.just(EMBEDDER) if of_embedder else actors()
        who = st.just(MEDIA) if name.startswith("media.") else who
        who = st.sampled_from(_CALLED) | who if name in {"accept", "reject"} else who
    if name == "leave":
        return st.builds(Wish, st.just(name), who, _PAUSES, some_of(entry=st.integers(0, 5)))
    return _wish(name, who)


def foundings() -> st.SearchStrategy[Wish]:
    """Thierry creates the call, with alice in it and tommaso to help."""
    return st.builds(Wish, st.just("create"), st.just(Claim("thierry")), st.just(0), _FOUNDING)


def declarations() -> st.SearchStrategy[Wish]:
    """The embedder declares custom fields, as of some kind, or no more."""
    said = st.fixed_dictionaries({"indexed_custom": _DECLARED})
    return st.builds(Wish, st.just("types.update"), st.just(EMBEDDER), _PAUSES, said)


def dated() -> st.SearchStrategy[Wish]:
    """Somebody writes down when, of the call or of a member: an instant, mostly."""
    written = st.sampled_from((*asking.WRITTEN, "soon", None)).map(lambda when: {"when": when})
    members = st.builds(lambda user, custom: [Member(user, custom=custom)], _USER, written)
    said = [
        ("update", st.fixed_dictionaries({"custom": written})),
        ("update_members", st.fixed_dictionaries({"members": members})),
    ]
    asked = [st.builds(Wish, st.just(name), actors(), _PAUSES, one) for name, one in said]
    return st.one_of(*asked)


def patience() -> st.SearchStrategy[Wish]:
    """The system says how long whoever is lost may take to return, and what is recorded."""
    said = some_of(
        session=st.sampled_from((None, 0, 5)).map(lambda n: {"reconnection_timeout_seconds": n}),
        recording=st.sampled_from(("available", "auto-on")).map(lambda mode: {"mode": mode}),
    )
    settings = st.fixed_dictionaries({"settings": said})
    return st.builds(Wish, st.just("update"), st.just(SYSTEM), _PAUSES, settings)


def courses(*, shortest: int = 10, longest: int = 30) -> st.SearchStrategy[list[Wish]]:
    """What may become of one call: thierry creates it, then come so many wishes."""
    rest = st.lists(wishes(), min_size=shortest, max_size=longest)
    return st.builds(lambda first, others: [first, *others], foundings(), rest)


def hostile_values() -> st.SearchStrategy[object]:
    """What strangers send: of no type that is asked for, too long, too deep, not storable."""
    deep: Any = "deep"
    for _ in range(100):
        deep = [deep]
    odd: tuple[object, ...] = (
        b"",
        b"alice",
        -1,
        2**70,
        math.nan,
        math.inf,
        object(),
        object,
        True,
        [],
        {},
        {1: 2},
        deep,
    )
    texts = ("", " ", "a b", "a\0b", "\ud800", "x" * 100_000, "../..", "call-default:1", "system:x")
    no_zone = START.replace(tzinfo=None)
    instants = (no_zone, START.replace(year=1), START.replace(year=9999))
    return st.sampled_from((*odd, *texts, *instants)) | st.text() | st.lists(st.text(), max_size=2)


def hostile_courses(*, shortest: int = 10, longest: int = 30) -> st.SearchStrategy[list[Wish]]:
    """A course in which strangers put something else in the place of what is asked for.

    Each such wish is refused, or taken for what it is; nothing else may come of it.
    """
    asked, bent = wishes(), _bent()
    either = st.booleans().flatmap(lambda strange: bent if strange else asked)
    rest = st.lists(either, min_size=shortest, max_size=longest)
    return st.builds(lambda first, others: [first, *others], foundings(), rest)


def _bent() -> st.SearchStrategy[Wish]:
    """A wish with strange arguments; `entry` stays, which is the harness's own word."""
    asked, strange = wishes(), hostile_values()

    @st.composite
    def bent(draw: st.DrawFn) -> Wish:
        wish = draw(asked)
        names = sorted({*wish.arguments} - {"entry"})
        changed = draw(st.sets(st.sampled_from(names), min_size=1)) if names else set()
        said = {name: draw(strange) for name in sorted(changed)}
        return replace(wish, arguments={**wish.arguments, **said})

    return bent()


def _wish(name: str, who: st.SearchStrategy[Claim]) -> st.SearchStrategy[Wish]:
    places = (_NEEDED, _OF_EMBEDDER, _BESIDE, asking.NEEDED)
    needed = next((place[name] for place in places if name in place), {})
    optional = {**_OPTIONAL, **asking.OPTIONAL}.get(name, {})
    said = st.fixed_dictionaries({**needed}, optional={**optional})
    return st.builds(Wish, st.just(name), who, _PAUSES, said)


_PAUSES: Final = st.sampled_from((0, 0, 0, 1, 1, 5, 5, 15, 31, 90))
_FLAG: Final = st.booleans()
_USER: Final = st.sampled_from(("alice", "alice", *PEOPLE))  # often the same, so that they meet
_USERS: Final = st.lists(_USER, min_size=1, max_size=3, unique=True)
_INVITED: Final = st.lists(
    st.sampled_from(("alice", "tommaso", "alice", "tommaso", *PEOPLE)), min_size=1, max_size=2
)
_CUSTOM: Final[Drawn] = st.dictionaries(
    st.sampled_from(("color", "plan")),
    st.sampled_from((None, "red", 0, 1, True, False, {"deep": 1}, {"deep": None})),
    max_size=2,
)
_STARTS: Final = st.sampled_from((0, 60, 300)).map(lambda n: START + timedelta(seconds=n))
_BACKSTAGE: Final = st.builds(
    Backstage,
    enabled=st.sampled_from((None, True, False)),
    join_ahead_time_seconds=st.sampled_from((None, 0, 30, 300)),
)
_MEMBERS: Final = st.lists(
    st.builds(
        Member,
        _USER,
        role=st.sampled_from((None, "call_member", "host", "moderator", "admin")),
        custom=st.none() | _CUSTOM,
    ),
    min_size=1,
    max_size=2,
    unique_by=lambda member: member.user_id,
)
_PERMISSIONS: Final = st.lists(
    st.sampled_from(sorted(PERMISSIONS)), min_size=1, max_size=2, unique=True
)
_GRANTED: Final = (
    "join-call",
    "join-backstage",
    "join-ended-call",
    "end-call",
    "update-call",
    "update-call-settings",
)
_GRANT: Final[Mapping[str, Drawn]] = {
    "role": st.sampled_from(("user", "guest", "call_member")),
    "capability": st.sampled_from(_GRANTED),
}

_DECLARED: Final = st.dictionaries(
    st.sampled_from(("calls", "members")),
    some_of(
        color=st.sampled_from(("string", "number", "boolean", None)),
        when=st.sampled_from(("instant", "instant", "string", None)),
    ),
    min_size=1,
)

_FOUNDING: Final = st.fixed_dictionaries(
    {"members": st.just([Member("tommaso", role="host"), Member("alice")])},
    optional={
        "custom": _CUSTOM,
        "starts_at": _STARTS,
        "team": st.sampled_from((None, None, None, "blue")),
        "max_participants": st.integers(1, 3),
        "max_duration": st.sampled_from((10, 60)),
        "backstage": _BACKSTAGE,
        "notify": _FLAG,
    },
)

_FREQUENT: Final = ("join", "join", "join", "leave", "ring", "ring", "timers")
_CALLED: Final = (Claim("alice"), Claim("tommaso"))
_NEEDED: Final[Mapping[str, Mapping[str, Drawn]]] = {
    "accept": {},
    "add_members": {"members": _MEMBERS},
    "block": {"user_id": _USER},
    "cancel_ring": {},
    "create": {},
    "delete": {},
    "end": {},
    "get": {},
    "go_live": {},
    "grant_permissions": {"user_id": _USER, "permissions": _PERMISSIONS},
    "join": {},
    "kick": {"user_id": _USER},
    "leave": {"entry": st.integers(0, 5)},
    "mute": {"user_ids": st.none() | _USERS, "audio": st.just(value=True)},
    "notify": {"member_ids": _USERS},
    "pin": {"user_id": _USER},
    "reject": {},
    "remove_members": {"user_ids": _USERS},
    "request_permissions": {"permissions": _PERMISSIONS},
    "restore": {},
    "revoke_permissions": {"user_id": _USER, "permissions": _PERMISSIONS},
    "ring": {"member_ids": _INVITED},
    "send_event": {"custom": _CUSTOM},
    "stop_live": {},
    "stop_recording": {},
    "timers": {},
    "unblock": {"user_id": _USER},
    "unpin": {"user_id": _USER},
    "update": {},
    "update_members": {"members": _MEMBERS},
}
_OPTIONAL: Final[Mapping[str, Mapping[str, Drawn]]] = {
    "create": {"member_ids": _USERS, "ring": _FLAG, "notify": _FLAG, "custom": _CUSTOM},
    "delete": {"hard": _FLAG},
    "get": {"ring": _FLAG, "notify": _FLAG},
    "join": {"create": _FLAG, "ring": _FLAG},
    "kick": {"block": _FLAG},
    "types.create": {"settings": SETTINGS},
    "reject": {"reason": st.sampled_from(("busy", "cancel"))},
    "update": {
        "custom": _CUSTOM,
        "starts_at": st.none() | _STARTS,
        "settings": SETTINGS,
        "max_duration": st.sampled_from((10, 60)),
        "max_participants": st.integers(1, 3),
        "backstage": _BACKSTAGE,
    },
}
_OF_EMBEDDER: Final[Mapping[str, Mapping[str, Drawn]]] = {
    "types.grant": _GRANT,
    "types.revoke": _GRANT,
    "types.update": {"settings": SETTINGS},
    "users.upsert": {
        "user_id": _USER,
        "role": st.sampled_from(("user", "guest", "admin")),
        "teams": st.sampled_from(((), ("blue",))),
        "custom": _CUSTOM,
    },
}
_REPORTED: Final[Mapping[str, Drawn]] = {"entry": st.integers(0, 5)}
_TRACK: Final = st.sampled_from(("audio", "video"))
_BESIDE: Final[Mapping[str, Mapping[str, Drawn]]] = {
    "media.connect": _REPORTED,
    "media.end": _REPORTED,
    "media.fail_recording": {"because": st.just("the disk is full")},
    "media.lose": _REPORTED,
    "media.obstacle": {"because": st.sampled_from(("", "there is no disk"))},
    "media.publish": {**_REPORTED, "kind": _TRACK},
    "media.unpublish": {**_REPORTED, "kind": _TRACK},
    "start_recording": {},
    "types.create": {"based_on": st.sampled_from(("default", "livestream"))},
    "unmute": {"entry": st.integers(0, 5), "audio": st.just(value=True)},
    "users.erase": {"user_id": _USER},
}
"""What courses are not made of."""
