"""A history becomes a fixture with nobody's data in it, and replays."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import to_builtins
from tests.laws import times

from greenroom import Greenroom, Member, errors
from greenroom.domain.message import (
    Actor,
    CallId,
    Decided,
    EntryId,
    Event,
    EventId,
    RequestId,
    StreamId,
    Team,
    UserId,
)
from greenroom.domain.streams import EVENTS
from greenroom.media.port import Kind
from greenroom.testing import Captured, FakeMedia, VirtualClock, Wish, typed
from greenroom.testing.driver import RoomDriver
from greenroom.testing.history import START
from greenroom.testing.redacting import Redaction
from greenroom.testing.strategies import courses

SECRETS = ("thierry", "alice", "charlie", "appointment-7", "blue", "gold", "Dr. Alice", "kidney")


def lived(url: str) -> None:
    """An appointment in which everything personal that there is occurs."""
    clock = VirtualClock(START)
    with Greenroom.open(url, clock=clock) as room:
        room.users.upsert("alice", name="Dr. Alice", teams=["blue"], custom={"plan": "gold"})
        room.users.upsert("thierry", teams=["blue"])
        call = room.as_user("thierry").call("default", "appointment-7")
        call.create(
            team="blue", members=[Member("alice", custom={"about": "kidney"}), Member("charlie")]
        )
        call.join()
        call.ring(["alice", "charlie"])
        room.as_user("charlie").call("default", "appointment-7").reject("see my kidney first")
        clock.advance(timedelta(minutes=1))
        call.end()


@pytest.fixture
def store(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    lived(url)
    return url


@pytest.mark.slow
def test_nobodys_data_is_in_the_fixture_and_it_replays(store: str, tmp_path: Path) -> None:
    with Greenroom.open(store, timers=False) as room:
        captured = Captured.of(room, "default:appointment-7")
        history = [one.name for one in room.system("x").call("default", "appointment-7").history()]
    captured.save(tmp_path / "captured.json")
    text = (tmp_path / "captured.json").read_text()
    assert [secret for secret in SECRETS if secret in text] == []
    loaded = Captured.load(tmp_path / "captured.json")
    assert loaded == captured
    with loaded.room(f"sqlite:///{tmp_path / 'replayed.db'}") as replayed:
        assert loaded.differences(replayed) == []
        call = replayed.system("x").call("default", "captured")
        assert [one.name for one in call.history()] == history
        assert call.get().ended_at is not None
        assert {one.user_id for one in call.query_members().items} == {"user-1", "user-3"}


def test_a_fixture_that_was_touched_does_not_say_the_same(store: str, tmp_path: Path) -> None:
    with Greenroom.open(store, timers=False) as room:
        captured = Captured.of(room, "default:appointment-7", redact=False)
    assert captured.cid == "default:appointment-7"
    with captured.room(f"sqlite:///{tmp_path / 'replayed.db'}") as replayed:
        fewer = Captured(captured.cid, captured.records[:-1])
        assert fewer.differences(replayed) == ["1 more than were captured"]
        assert Captured(CallId("default:other"), captured.records).differences(replayed) == []


@pytest.mark.slow
def test_what_was_never_recorded_cannot_be_captured(store: str) -> None:
    with Greenroom.open(store, timers=False) as room, pytest.raises(errors.CallNotFound):
        Captured.of(room, "default:124")


@settings(max_examples=times(2))
@given(courses(shortest=5, longest=10))
def test_whatever_happened_replays_without_names(course: list[Wish]) -> None:
    driver = RoomDriver()
    driver.open("default:123", START)
    try:
        for one in course:
            driver.advance(one.after)
            if "entry" not in one.arguments:
                driver.carry_out(one)
        captured = Captured.of(driver.room, "default:123")
    finally:
        driver.close()
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'calls.db'}"
        with captured.room(url) as room:
            assert captured.differences(room) == []


def consulted(url: str) -> None:
    """A consultation of a type of its own, with media and recordings, in which nobody is spared."""
    clock, media = VirtualClock(START), FakeMedia()
    with Greenroom.open(url, clock=clock, media=media) as room:
        words = {"notification_settings": {"call_ring": {"title": "Dr. Alice about your kidney"}}}
        room.call_types.create(
            "consultation", settings=words, indexed_custom={"members": {"color": "string"}}
        )
        room.call_types.grant("consultation", role="user", capability="start-record-call")
        call = room.as_user("thierry").call("consultation", "appointment-7")
        call.create(members=[Member("alice", custom={"color": "blue"})], settings=words)
        entry = call.join()
        room.as_user("alice", role="guest", teams=["gold"]).call(
            "consultation", "appointment-7"
        ).join()
        media.connect(entry.entry_id)
        media.publish(entry.entry_id, "audio")
        call.start_recording()
        [going] = media.recordings()
        kinds: tuple[Kind, ...] = ("audio", "video")
        for kind in kinds:
            media.finish(going, entry.entry_id, UserId(entry.user_id), kind)
        media.fail_recording(going, "no space on /srv/thierry")
        call.grant_permissions("alice", ["screenshare"])
        media.lose(entry.entry_id)
        clock.advance(timedelta(hours=1))


def test_media_recordings_and_a_type_of_ones_own_are_captured_without_anybody(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    consulted(url)
    with Greenroom.open(url, timers=False) as room:
        captured = Captured.of(room, "consultation:appointment-7")
        history = [
            one.name for one in room.system("x").call("consultation", "appointment-7").history()
        ]
    captured.save(tmp_path / "captured.json")
    text = (tmp_path / "captured.json").read_text()
    assert [secret for secret in (*SECRETS, "/srv", "entry-id") if secret in text] == []
    with Captured.load(tmp_path / "captured.json").room(
        f"sqlite:///{tmp_path / 'again.db'}"
    ) as room:
        assert captured.differences(room) == []
        assert room.parked() == []
        call = room.system("x").call("consultation", "captured")
        assert [one.name for one in call.history()] == history
        assert {"session.connected", "session.published", "session.lost"} <= {*history}
        (recording,) = call.recordings()
        assert [one.file.name for one in recording.tracks] == ["file-1", "file-2"]
        assert recording.because == "redacted"
        assert room.call_types.get("consultation").indexed_custom == {
            "members": {"color": "string"}
        }
        assert "start-record-call" in room.call_types.get("consultation").grants["user"]


WHISPERED: Final = "whispered"
"""What everything that somebody might say or be called is made of, below."""


@pytest.fixture(scope="module")
def secretive() -> Iterator[None]:
    """Strategies by type that draw nothing but secrets, where a string may stand."""
    secret = st.integers(0, 9).map(lambda n: f"{WHISPERED}{n}")
    strings = {**typed._IDS, UserId: secret, EntryId: secret, Team: secret}
    strings[CallId] = st.just(CallId(f"default:{WHISPERED}"))
    strings[EventId] = strings[RequestId] = secret
    words = st.just({"notification_settings": {"call_ring": {"title": WHISPERED}}})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(typed, "_IDS", strings)
        patched.setattr(typed, "_PLAIN", {**typed._PLAIN, str: secret})
        patched.setattr(typed, "_JSON", st.just({WHISPERED: WHISPERED}))
        patched.setattr(typed, "SETTINGS", words)
        patched.setattr(typed, "_RECORDED_SETTINGS", words)
        typed._of_struct.cache_clear()
        yield
    typed._of_struct.cache_clear()


@pytest.mark.usefixtures("secretive")
@pytest.mark.parametrize("kind", EVENTS.values(), ids=lambda kind: kind.name)
@settings(max_examples=times(10))
@given(data=st.data())
def test_no_event_of_any_kind_keeps_a_word_that_was_said(
    kind: type[Event], data: st.DataObject
) -> None:
    event = data.draw(typed._of_struct(kind))
    redacted = Redaction(CallId(f"default:{WHISPERED}")).record(
        Decided(
            stream=StreamId(f"call-default:{WHISPERED}"),
            version=1,
            event=event,
            event_id=EventId(WHISPERED),
            by=Actor(name=WHISPERED, teams=(Team(WHISPERED),)),
            request_id=RequestId(WHISPERED),
            correlation_id=RequestId(WHISPERED),
            causation_id=EventId(WHISPERED),
        )
    )
    told = to_builtins(redacted)
    for name in ("call_type", "based_on", "grants", "indexed_custom"):  # the embedder says them
        told["event"].pop(name, None)
    assert WHISPERED not in json.dumps(told)


@pytest.mark.slow
def test_the_program_writes_a_fixture_and_a_test_that_passes(store: str, tmp_path: Path) -> None:
    into = tmp_path / "tests"
    greenroom = [sys.executable, "-m", "greenroom", "capture", "default:appointment-7"]
    subprocess.run(
        [*greenroom, "--redact", "--into", into, "--store", store], check=True, timeout=150
    )
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", into],
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout
    assert "1 passed" in ran.stdout
