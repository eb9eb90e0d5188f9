"""Recording a call, by the rules; and what whoever writes the files has to tell."""

from __future__ import annotations

import math
from typing import Any, Final

from msgspec.structs import replace

from greenroom.domain.access import Capability
from greenroom.domain.call_state import Existence
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.decider import Asker
from greenroom.domain.errors import NoSession
from greenroom.domain.message import Actor, EntryId, UserId
from greenroom.domain.operations.operation import Operation
from greenroom.domain.session_commands import (
    EndRecording,
    ReportFile,
    ResumeRecording,
    StartRecording,
    StopRecording,
)
from greenroom.domain.session_events import RecordedFile, RecordingEnd, Track

SETTINGS: Final = Asker(Actor(name="settings", system=True), frozenset())
"""Who records where a call is always to be recorded."""
_MOST_SAID: Final = 500
"""Characters of what failed, in the words of the machine."""


def start(*, obstacle: str = "") -> Operation[CallTurn]:
    """Record what is published in the session that is on.

    `obstacle` says why nothing here could record, where it could not: no part of what was asked.
    """

    def decide(turn: CallTurn) -> None:
        number = turn.existing().session
        by = turn.by
        by.must(Capability.START_RECORD_CALL)
        if not number:
            raise NoSession(f"no session of {turn.cid} is on; somebody has to join first")
        turn.tell_session(
            StartRecording(
                at=turn.at,
                by=by,
                cid=turn.cid,
                session=number,
                mode=turn.settings.recording.mode,
                obstacle=obstacle,
            )
        )

    return Operation("start_recording", decide)


def stop() -> Operation[CallTurn]:
    """Record no more, and finish the files."""

    def decide(turn: CallTurn) -> None:
        number = turn.existing().session
        by = turn.by
        by.must(Capability.STOP_RECORD_CALL)
        if number:
            turn.tell_session(StopRecording(at=turn.at, by=by, cid=turn.cid, session=number))

    return Operation("stop_recording", decide)


def start_if_always_on(turn: CallTurn) -> None:
    """Record the session that has just begun, where the settings say so."""
    call, mode = turn.call, turn.settings.recording.mode
    if call.session and mode == "auto-on":
        turn.tell_session(
            StartRecording(at=turn.at, by=SETTINGS, cid=turn.cid, session=call.session, mode=mode)
        )


# What whoever writes the files tells


def resumed(session: int, recording: int) -> Operation[CallTurn]:
    """Another process goes on with a recording that was on when its process died."""

    def decide(turn: CallTurn) -> None:
        if _known(turn):
            turn.tell_session(
                ResumeRecording(
                    at=turn.at, by=turn.by, cid=turn.cid, session=session, recording=recording
                )
            )

    return Operation("recording_resumed", decide, {"session": session, "recording": recording})


def failed(session: int, recording: int, because: str) -> Operation[CallTurn]:
    """A recording cannot be written any more."""
    words = _said(because)

    def decide(turn: CallTurn) -> None:
        if _known(turn):
            turn.tell_session(
                EndRecording(
                    at=turn.at,
                    by=turn.by,
                    cid=turn.cid,
                    session=session,
                    recording=recording,
                    reason=RecordingEnd.FAILED,
                    because=words,
                )
            )

    said = {"session": session, "recording": recording, "because": words}
    return Operation("recording_failed", decide, said)


def recorded(
    session: int,
    recording: int,
    file: RecordedFile,
    *,
    entry_id: EntryId,
    user_id: UserId,
    epoch: int,
    kind: Track,
) -> Operation[CallTurn]:
    """A file with what came of one track of one connection is finished; its session may be over."""
    told = replace(
        file,
        starts_after=_seconds(file.starts_after),
        seconds=_seconds(file.seconds),
        failure=_said(file.failure),
    )
    said: dict[str, Any] = {
        "session": session,
        "recording": recording,
        "entry_id": entry_id,
        "user_id": user_id,
        "epoch": epoch,
        "kind": kind,
        "file": told,
    }

    def decide(turn: CallTurn) -> None:
        if _known(turn):
            turn.tell_session(ReportFile(at=turn.at, by=turn.by, cid=turn.cid, **said))

    return Operation("recorded", decide, said)


def _known(turn: CallTurn) -> bool:
    """Whether there is still something to be told of the call: of one that was erased, nothing."""
    return turn.call.existence in {Existence.HERE, Existence.DELETED}


def _said(words: str) -> str:
    """What a machine says of a failure, as far as it can be written down."""
    return "".join(one if one.isprintable() else " " for one in words)[:_MOST_SAID]


def _seconds(said: float) -> float:
    return said if 0 <= said < math.inf else 0.0
