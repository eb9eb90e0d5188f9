"""What media learns of entries; asked by media alone, and by the rules when time is up."""

from __future__ import annotations

import math
from typing import Final

from greenroom.domain import checks
from greenroom.domain.call_state import Existence
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.message import EntryId
from greenroom.domain.operations.operation import Operation
from greenroom.domain.session_commands import (
    ConnectMedia,
    LoseMedia,
    MeasureMedia,
    Publish,
    Unpublish,
)
from greenroom.domain.session_events import MediaStatistics, Track

MOST_EPOCHS: Final = 2**31 - 1
MOST_COUNTED: Final = 2**63 - 1


def connected(entry_id: EntryId, epoch: int, fingerprint: str) -> Operation[CallTurn]:
    """Media flows for an entry, through a connection of this number."""
    number, print_ = _epoch(epoch), checks.text(fingerprint, "fingerprint", 200)

    def decide(turn: CallTurn) -> None:
        if turn.call.session:
            turn.tell_session(
                ConnectMedia(
                    at=turn.at,
                    by=turn.by,
                    cid=turn.cid,
                    session=turn.call.session,
                    entry_id=entry_id,
                    epoch=number,
                    fingerprint=print_,
                )
            )

    said = {"entry_id": entry_id, "epoch": number, "fingerprint": print_}
    return Operation("connected", decide, said)


def published(entry_id: EntryId, epoch: int, kind: Track) -> Operation[CallTurn]:
    """Others may receive this of an entry."""
    number = _epoch(epoch)

    def decide(turn: CallTurn) -> None:
        if turn.call.session:
            turn.tell_session(
                Publish(
                    at=turn.at,
                    by=turn.by,
                    cid=turn.cid,
                    session=turn.call.session,
                    entry_id=entry_id,
                    epoch=number,
                    kind=kind,
                )
            )

    return Operation("published", decide, {"entry_id": entry_id, "epoch": number, "kind": kind})


def unpublished(entry_id: EntryId, epoch: int, kind: Track) -> Operation[CallTurn]:
    """Others do not receive this of an entry any more."""
    number = _epoch(epoch)

    def decide(turn: CallTurn) -> None:
        if turn.call.session:
            turn.tell_session(
                Unpublish(
                    at=turn.at,
                    by=turn.by,
                    cid=turn.cid,
                    session=turn.call.session,
                    entry_id=entry_id,
                    epoch=number,
                    kind=kind,
                )
            )

    return Operation("unpublished", decide, {"entry_id": entry_id, "epoch": number, "kind": kind})


def lost(entry_id: EntryId, epoch: int) -> Operation[CallTurn]:
    """The peer behind a connection is gone."""
    number = _epoch(epoch)

    def decide(turn: CallTurn) -> None:
        if turn.call.session:
            turn.tell_session(
                LoseMedia(
                    at=turn.at,
                    by=turn.by,
                    cid=turn.cid,
                    session=turn.call.session,
                    entry_id=entry_id,
                    epoch=number,
                    inactivity_timeout=turn.inactivity_timeout,
                    grace=turn.grace,
                )
            )

    return Operation("lost", decide, {"entry_id": entry_id, "epoch": number})


def measured(
    entry_id: EntryId, session: int, epoch: int, statistics: MediaStatistics
) -> Operation[CallTurn]:
    """A connection is over; this went through it. Its entry and its session may be over, too."""
    number, counted = _epoch(epoch), _counted(statistics)

    def decide(turn: CallTurn) -> None:
        if turn.call.existence in {Existence.HERE, Existence.DELETED}:
            turn.tell_session(
                MeasureMedia(
                    at=turn.at,
                    by=turn.by,
                    cid=turn.cid,
                    session=session,
                    entry_id=entry_id,
                    epoch=number,
                    statistics=counted,
                    grace=turn.grace,
                )
            )

    said = {"entry_id": entry_id, "session": session, "epoch": number, "statistics": counted}
    return Operation("measured", decide, said)


def _counted(said: MediaStatistics) -> MediaStatistics:
    """The figures, as far as they are any: what cannot be written down must stop no report."""
    return MediaStatistics(
        seconds=_time(said.seconds) or 0.0,
        packets_received=_count(said.packets_received),
        bytes_received=_count(said.bytes_received),
        packets_sent=_count(said.packets_sent),
        bytes_sent=_count(said.bytes_sent),
        packets_lost=_count(said.packets_lost),
        key_frame_requests=_count(said.key_frame_requests),
        round_trip=_time(said.round_trip),
        jitter=_time(said.jitter),
    )


def _time(seconds: float | None) -> float | None:
    return seconds if seconds is not None and 0 <= seconds < math.inf else None


def _count(number: int) -> int:
    return min(max(number, 0), MOST_COUNTED)


def _epoch(epoch: int) -> int:
    return checks.integer(epoch, "epoch", 1, MOST_EPOCHS)
