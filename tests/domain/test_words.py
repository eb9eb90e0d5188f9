"""What an error says to people: the fact that refuses, and what to do about it."""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, timedelta, timezone
from typing import Final

import pytest
from tests.domain.story import at
from tests.hostile.evil import BadZone, spoilt

from greenroom.domain import checks, errors
from greenroom.domain.errors import GreenroomError, InvalidInput, Refused
from greenroom.domain.instants import instant_or_none, micros_or_none
from greenroom.domain.operations import life, people, policy, rings
from greenroom.domain.reasons import Fact, Reason, refusal_in

SAID: Final[list[tuple[Callable[[], GreenroomError], str]]] = [
    (
        lambda: errors.CallNotFound("default:1"),
        "there is no call default:1; create it first, or join with create=True",
    ),
    (
        lambda: errors.WrongTeam("ward-7"),
        "the call is for team 'ward-7' only; the user must carry that team",
    ),
    (lambda: errors.Blocked("charlie"), "charlie is blocked in this call; unblock them first"),
    (
        lambda: errors.NotAllowed("charlie", "kick-user"),
        "charlie lacks kick-user; grant it to one of their roles, or to them",
    ),
    (
        lambda: errors.CallEnded(at(60)),
        (
            "the call ended at 2026-01-01T12:01:00+00:00;"
            " go live to open it again, or hold join-ended-call"
        ),
    ),
    (
        lambda: errors.NotLiveYet(at(60)),
        "the call is in backstage; it opens at 2026-01-01T12:01:00+00:00",
    ),
    (lambda: errors.NotLiveYet(None), "the call is in backstage; it opens on going live"),
    (lambda: errors.CallFull(2), "the call is full: 2 participants at most"),
    (
        lambda: errors.EntryNotFound("entry-1"),
        "there is no entry entry-1 in the call now; join again",
    ),
    (lambda: errors.NotPresent("charlie"), "charlie is not in the call now"),
    (
        lambda: errors.MemberNotFound("charlie"),
        "charlie is not a member of this call; add them first",
    ),
    (lambda: errors.NotRung("charlie"), "charlie has no ring to answer or withdraw in this call"),
    (
        lambda: errors.AnswerFinal("charlie"),
        "charlie has joined already; the answer to the ring stands",
    ),
    (
        lambda: errors.RequestsDisabled("send-audio"),
        "asking for send-audio is off (access_request_enabled); a host may grant it all the same",
    ),
    (
        lambda: errors.RingingDisabled("livestream"),
        (
            "calls of type 'livestream' do not ring;"
            " set ring.auto_cancel_timeout_ms and ring.missed_call_timeout_ms"
        ),
    ),
    (
        lambda: errors.CallTypeNotFound("class"),
        "there is no call type 'class'; create it with room.call_types.create",
    ),
    (
        lambda: errors.CallTypeExists("class"),
        "call type 'class' exists already; change it with update, grant, revoke",
    ),
    (
        lambda: errors.TicketExpired(at(60)),
        "the ticket expired at 2026-01-01T12:01:00+00:00; ask for another",
    ),
    (lambda: errors.InvalidInput("role", "a role"), "role: expected a role"),
    (
        lambda: errors.InvalidInput("role", "a role", "host"),
        "role: expected a role; did you mean 'host'?",
    ),
    (lambda: errors.Repeated("r-1"), "request 'r-1' was recorded before"),
    (
        lambda: errors.RequestMismatch("r-1"),
        "request id 'r-1' belongs to another command; use a new one",
    ),
    (
        lambda: errors.WrongSchema(3, 2),
        "the store has schema 3, not 2 as expected; upgrade greenroom",
    ),
    (
        lambda: errors.WrongSchema(1, 2),
        "the store has schema 1, not 2 as expected; migrate the store",
    ),
]
"""An error, made when it is looked at, and what it says."""


@pytest.mark.parametrize(("error", "words"), SAID, ids=[words[:40] for _, words in SAID])
def test_an_error_says_what_refuses_and_what_to_do(
    error: Callable[[], GreenroomError], words: str
) -> None:
    assert str(error()) == words


def test_every_error_with_words_of_its_own_is_listed() -> None:
    theirs = {
        error
        for error in vars(errors).values()
        if isinstance(error, type)
        and issubclass(error, GreenroomError)
        and "__init__" in vars(error)
        and error.__module__ == errors.__name__
    }
    assert {type(error()) for error, _ in SAID} == theirs


def test_a_refusal_travels_with_the_reasons_it_found() -> None:
    refusal = errors.Blocked("charlie")
    reason = Reason("not_blocked", False, "blocked in this call")
    refusal.explained_by(lambda: (reason,), at(60))
    travelled = pickle.loads(pickle.dumps(refusal))  # noqa: S301 - our own
    assert travelled.reasons == (reason,)
    assert travelled.at == at(60)
    assert "_find" not in vars(travelled)


def test_a_refusal_whose_reasons_are_gone_travels_without() -> None:
    refusal = errors.Blocked("charlie")

    def gone() -> tuple[Reason, ...]:
        raise errors.StoreClosed("the room was closed")

    refusal.explained_by(gone, at(60))
    travelled = pickle.loads(pickle.dumps(refusal))  # noqa: S301 - our own
    assert isinstance(travelled, Refused)
    assert str(travelled) == str(refusal)
    assert travelled.reasons == ()


def test_the_first_rule_whose_last_fact_speaks_against_it_refuses() -> None:
    passes = Reason("exists", True, "", (Fact("deleted", False), Fact("restored", True)), None)
    refuses = Reason("not_blocked", False, "", (Fact("blocked", False),), "blocked")
    later = Reason("capacity", False, "", (Fact("full", False),), "call_full")
    assert refusal_in([passes]) is None
    assert refusal_in([passes, refuses, later]) == "blocked"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"audio": 1}, "settings.audio: expected an object of settings"),
        (
            {"adio": {}},
            "settings.adio: expected a group of settings; did you mean 'audio'?",
        ),
        (
            {"limits": {"max_participant": 1}},
            (
                "settings.limits.max_participant: expected a setting of limits;"
                " did you mean 'max_participants'?"
            ),
        ),
        (
            {"limits": {"max_participants": "two"}},
            "settings.limits.max_participants: expected a valid integer",
        ),
        (
            {"ring": {"auto_cancel_timeout_ms": 0}},
            (
                "settings.ring.auto_cancel_timeout_ms:"
                " expected a number greater than or equal to 5000"
            ),
        ),
        (
            {"ring": {"auto_cancel_timeout_ms": 180_001}},
            (
                "settings.ring.auto_cancel_timeout_ms:"
                " expected a number less than or equal to 180000"
            ),
        ),
        (
            {"backstage": {"join_ahead_time_seconds": 366 * 86400 + 1}},
            (
                "settings.backstage.join_ahead_time_seconds:"
                " expected a number less than or equal to 31622400"
            ),
        ),
        (
            {"session": {"inactivity_timeout_seconds": 4}},
            "settings.session.inactivity_timeout_seconds: expected 0, or 5 to 900",
        ),
        (
            {"recording": {"mode": "on"}},
            "settings.recording.mode: expected 'available', 'disabled' or 'auto-on'",
        ),
        (
            {"notification_settings": {"call_ring": {"titel": "x"}}},
            (
                "settings.notification_settings.call_ring.titel: expected a setting;"
                " did you mean 'title'?"
            ),
        ),
        (
            {"limits": {"max_participants_exclude_roles": ["a", "b c"]}},
            (
                "settings.limits.max_participants_exclude_roles[1]:"
                " expected text of the form '^[A-Za-z0-9_-]{1,64}$'"
            ),
        ),
    ],
)
def test_a_wrong_setting_is_told_with_its_place(settings: object, words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checks.settings(settings)
    assert str(refused.value) == words


def test_names_are_compared_by_their_first_128_characters() -> None:
    assert checks.nearest("hosst", ["host", "user"]) == "host"
    assert checks.nearest("x" * 128 + "host", ["x" * 128]) == "x" * 128
    assert checks.nearest("zzz", ["host"]) is None
    assert checks.nearest(7, ["host"]) is None


def nowhere() -> timedelta:
    raise OSError("nobody knows where")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, "a datetime"),
        (
            at(0).replace(tzinfo=None),
            "an aware datetime: give it a time zone, e.g. datetime.now(UTC)",
        ),
        (at(0).replace(tzinfo=BadZone(nowhere)), "an instant between the years 1970 and 2200"),
        (at(0).replace(year=1969), "an instant between the years 1970 and 2200"),
        (at(0).replace(year=2200), "an instant between the years 1970 and 2200"),
    ],
)
def test_an_instant_is_aware_and_of_our_times(value: object, expected: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checks.instant(value, "starts_at")
    assert refused.value.expected == expected


@pytest.mark.parametrize("value", ["ab", b"ab", bytearray(b"ab"), memoryview(b"ab"), {"a": 1}, 7])
def test_what_is_no_list_is_none(value: object) -> None:
    with pytest.raises(InvalidInput, match="user_ids: expected a list"):
        checks.user_ids(value, "user_ids")


@pytest.mark.parametrize("value", [b"ab", bytearray(b"ab"), memoryview(b"ab")])
def test_bytes_are_no_json(value: object) -> None:
    with pytest.raises(InvalidInput, match=r"custom\.a: expected JSON: null, true, a number"):
        checks.custom({"a": value}, "custom", 100)


CAPABILITIES: Final = "one of screenshare, send-audio, send-video"


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (lambda: checks.name("a b", "name"), "name: expected 1 to 64 of A-Z a-z 0-9 _ -"),
        (
            lambda: checks.user_id("a b", "user_id"),
            "user_id: expected 1 to 128 of A-Z a-z 0-9 _ @ . + | = ~ -",
        ),
        (
            lambda: checks.request_id(""),
            "request_id: expected 1 to 128 printable ASCII characters",
        ),
        (lambda: checks.flag(1, "hard"), "hard: expected True or False"),
        (
            lambda: checks.flags(ring=True, notify=0),
            "notify: expected True or False",
        ),
        (
            lambda: checks.capability("join-cal", "capability"),
            "capability: expected one of the capabilities; did you mean 'join-call'?",
        ),
        (lambda: checks.capability(["join-call"], "c"), "c: expected one of the capabilities"),
        (
            lambda: checks.permissions(["send-event"], "permissions"),
            f"permissions[0]: expected {CAPABILITIES}; did you mean 'send-video'?",
        ),
        (lambda: checks.permissions([], "p"), "p: expected at least one permission"),
        (
            lambda: checks.custom([], "custom", 100),
            "custom: expected a JSON object (a dict with text keys)",
        ),
        (
            lambda: checks.custom(spoilt(Mapping)(), "custom", 100),
            "custom: expected a JSON object that can be read",
        ),
        (lambda: checks.custom({1: 2}, "custom", 100), "custom: expected text keys"),
        (
            lambda: checks.custom({"a": "\0"}, "custom", 100),
            "custom.a: expected text without NUL characters",
        ),
        (
            lambda: checks.custom({"a": "\ud800"}, "custom", 100),
            "custom.a: expected valid Unicode: a surrogate stands alone",
        ),
        (
            lambda: checks.custom({"a": 2**53 + 1}, "custom", 100),
            "custom.a: expected an integer between -2^53 and 2^53",
        ),
        (
            lambda: checks.custom({"a": -(2**53) - 1}, "custom", 100),
            "custom.a: expected an integer between -2^53 and 2^53",
        ),
        (
            lambda: checks.custom({"a": math.inf}, "custom", 100),
            "custom.a: expected a finite number",
        ),
        (
            lambda: policy.change_type("class", indexed_custom=[]),  # type: ignore[arg-type]  # what a stranger says
            "indexed_custom: expected a JSON object (a dict with text keys)",
        ),
        (
            lambda: life.update(backstage=True),  # type: ignore[arg-type]  # what a stranger says
            "backstage: expected a Backstage",
        ),
        (
            lambda: people.put(["alice"]),  # type: ignore[list-item]  # what a stranger says
            "members[0]: expected a Member",
        ),
        (
            lambda: people.mute(None),
            "audio: expected at least one of audio, video, screenshare, screenshare_audio",
        ),
        (lambda: rings.ring([]), "member_ids: expected at least one member"),
    ],
)
def test_what_is_refused_is_told_with_its_place_and_what_is_expected(
    check: Callable[[], object], words: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        check()
    assert str(refused.value) == words


@pytest.fixture
def in_kathmandu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose own time is not UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Kathmandu")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_kathmandu")
def test_an_instant_is_kept_in_utc_wherever_the_machine_is() -> None:
    there = at(0).astimezone(timezone(timedelta(hours=5)))
    assert checks.instant(there, "starts_at") == at(0)
    assert checks.instant(there, "starts_at").tzinfo is UTC


def test_what_may_be_missing_of_an_instant_is_missing_and_nothing_else() -> None:
    assert micros_or_none(at(0)) == 1_767_268_800_000_000
    assert instant_or_none(1_767_268_800_000_000) == at(0)
    assert (micros_or_none(None), instant_or_none(None)) == (None, None)
