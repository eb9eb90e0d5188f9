"""What media learns of entries; asked by media alone, and by the rules when time is up."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

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
    SessionCommand,
    Unpublish,
)
from greenroom.domain.session_events import MediaStatistics, Track

MOST_EPOCHS: Final = 2**31 - 1
MOST_COUNTED: Final = 2**63 - 1


def connected(entry_id: EntryId, epoch: int, fingerprint: str) -> Operation[CallTurn]:
    """Media flows for an entry, through a connection of this number."""
    learned = {"fingerprint": checks.text(fingerprint, "fingerprint", 200)}
    return _told("connected", ConnectMedia, entry_id, epoch, learned)


def published(entry_id: EntryId, epoch: int, kind: Track) -> Operation[CallTurn]:
    """Others may receive this of an entry."""
    return _told("published", Publish, entry_id, epoch, {"kind": kind})


def unpublished(entry_id: EntryId, epoch: int, kind: Track) -> Operation[CallTurn]:
    """Others do not receive this of an entry any more."""
    return _told("unpublished", Unpublish, entry_id, epoch, {"kind": kind})


def lost(entry_id: EntryId, epoch: int) -> Operation[CallTurn]:
    """The peer behind a connection is gone."""
    return _told("lost", LoseMedia, entry_id, epoch, {}, rules=("inactivity_timeout", "grace"))


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


def _told(
    name: str,
    command: Callable[..., SessionCommand],
    entry_id: EntryId,
    epoch: int,
    learned: Mapping[str, Any],
    *,
    rules: Sequence[str] = (),
) -> Operation[CallTurn]:
    """Have the running session, if any, hear what was learned of a connection.

    `rules` are settings of the call that the command needs to know.
    """
    said = {"entry_id": entry_id, "epoch": _epoch(epoch), **learned}

    def decide(turn: CallTurn) -> None:
        number = turn.call.session
        if number:
            hold = {name: getattr(turn, name) for name in rules}
            turn.tell_session(
                command(at=turn.at, by=turn.by, cid=turn.cid, session=number, **said, **hold)
            )

    return Operation(name, decide, said)


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
