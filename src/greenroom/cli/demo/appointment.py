"""The first act: a telemedicine appointment that rings, with audio and video."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from greenroom import CallHandle, Entry, Greenroom, Member
from greenroom.cli.demo.stage import Stage
from greenroom.media.port import MediaPort
from greenroom.testing.notifier import RecordingNotifier

PICTURES: Final = 15
"""Frames of the other's video that each must see: a second of it."""
SOUNDS: Final = 40
"""Frames of the other's audio that each must hear: 0.8 seconds of it."""
_PATIENCE_SECONDS: Final = 20.0


def loopback_media() -> MediaPort | None:
    """Media that stays on this machine; None where the extra is not installed."""
    try:
        # An extra: nothing else in the demo needs it.
        import greenroom.testing.peer  # noqa: F401, PLC0415 - says whether the clients are there
        from greenroom.media.aiortc_media import AiortcMedia  # noqa: PLC0415 - as above
    except ImportError:
        return None
    return AiortcMedia(addresses=("127.0.0.1",))


def play(
    stage: Stage, room: Greenroom, number: int, phones: RecordingNotifier, without_media: str
) -> str:
    """Play it, and answer the cid of the appointment.

    Args:
        stage: where to play.
        room: with `phones` as its notifier, and its timers running.
        number: of the appointment.
        phones: what everybody is notified on.
        without_media: why sound and picture are left out; empty where they are not.
    """
    thierry = room.as_user("thierry").call("default", f"appointment-{number}")
    alice = room.as_user("alice").call("default", f"appointment-{number}")
    cid = thierry.cid
    with stage.act("1  An appointment that rings"), ExitStack() as peers:
        _ring(stage, thierry, phones)
        with stage.step("alice accepts") as step:
            answer = alice.accept()
            step.check(answer.recorded == ("member.accepted",), f"recorded {answer.recorded}")
        with stage.step("both join") as step:
            entries = (thierry.join(), alice.join())
            present = len(thierry.query_participants().items)
            step.check(present == len(entries), f"{present} are in")
            step.see(f"{present} are in session {entries[0].session_id}", present=present)
        if without_media:
            stage.leave_out("they see and hear each other", without_media)
        else:
            _talk(stage, *entries, peers)
        _part(stage, thierry, alice)
    return cid


def _ring(stage: Stage, thierry: CallHandle, phones: RecordingNotifier) -> None:
    with stage.step(f"thierry creates {thierry.cid} with alice, and rings her") as step:
        state = thierry.create(
            members=[Member("thierry", role="host"), Member("alice")],
            custom={"department": "cardiology"},
            ring=True,
            settings={"session": {"inactivity_timeout_seconds": 0}},
        )
        step.check(state.created and "call.rung" in state.recorded, f"recorded {state.recorded}")
        step.see(f"{len(state.recorded)} events in one transaction", events=len(state.recorded))
    with stage.step("alice's phone rings") as step:
        rang = _until(lambda: "call_ring" in phones.kinds_for("alice"))
        step.check(rang, "no call_ring was delivered to alice")
        ring = next(sent for sent in phones.sent if sent.user_id == "alice")
        step.see(f"“{ring.title}”", title=ring.title)


def _talk(stage: Stage, thierry: Entry, alice: Entry, peers: ExitStack) -> None:
    """Real peers: encrypted packets over the loopback interface, forwarded by the room."""
    from greenroom.testing.peer import Peer  # noqa: PLC0415 - an extra; see `loopback_media`
    from greenroom.testing.signs import Sign  # noqa: PLC0415 - as above

    def sees_and_hears(name: str, peer: Peer, other: Sign) -> None:
        with stage.step(f"{name} sees and hears the other") as step:
            met = peer.until(
                lambda: peer.sees[other] >= PICTURES and peer.hears[other] >= SOUNDS,
                _PATIENCE_SECONDS,
            )
            pictures, sounds = peer.sees[other], peer.hears[other]
            step.check(met, f"{pictures} pictures and {sounds} sounds came through")
            step.see(
                f"{pictures} {other} pictures, {sounds} sounds of 20 ms",
                pictures=pictures,
                sounds=sounds,
            )

    with stage.step("two WebRTC peers connect through the room") as step:
        red, green = peers.enter_context(Peer("red")), peers.enter_context(Peer("green"))
        red.join(thierry.offer)
        green.join(alice.offer)
        up = _until(lambda: red.state == green.state == "connected")
        step.check(up, f"thierry's is {red.state}, alice's is {green.state}")
    sees_and_hears("thierry", red, "green")
    sees_and_hears("alice", green, "red")


def _part(stage: Stage, thierry: CallHandle, alice: CallHandle) -> None:
    with stage.step("alice leaves, then thierry") as step:
        alice.leave()
        thierry.leave()
        [session] = thierry.query_sessions().items
        step.check(session.end_reason == "empty", f"the session is {session.end_reason or 'on'}")
        step.check(session.duration is not None, "the session has no length")
        step.see(
            f"session 1 lasted {session.duration:.2f} s with {session.participant_count} people",
            seconds=session.duration or 0.0,
            people=session.participant_count,
        )


def _until(holds: Callable[[], bool]) -> bool:
    """Whether it came to hold before patience ran out."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
