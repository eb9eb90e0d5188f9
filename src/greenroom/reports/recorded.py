"""What was recorded of a call, for its report: when, and which files came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from greenroom.recordings import Recording
from greenroom.reports.lanes import Lane, Span
from greenroom.reports.page import lasted, moment, printable


def recording_lane(found: Sequence[Recording]) -> Lane:
    """When the call was recorded, as a lane that is nobody's."""
    return Lane("", spans=[_span(one) for one in found])


def listed(found: Sequence[Recording]) -> Iterator[Mapping[str, Any]]:
    """Each recording, with what is worth telling of it and of its files."""
    for one in found:
        yield {
            "id": one.id,
            "told": "; ".join(_told(one)),
            "files": [
                {
                    "user_id": track.user_id,
                    "kind": str(track.kind),
                    "codec": track.file.codec,
                    "starts_after": f"{track.file.starts_after:.2f} s",
                    "seconds": lasted(track.file.seconds),
                    "bytes": f"{track.file.bytes:,}",
                    "missing": track.file.packets_lost + track.file.packets_dropped,
                    "failure": printable(track.file.failure),
                    "name": printable(track.file.name),
                    "sha256": track.file.sha256,
                }
                for track in one.tracks
            ],
        }


def _span(one: Recording) -> Span:
    how = "" if one.reason is None else str(one.reason)
    return Span("recorded", one.started_at, one.stopped_at, how)


def _told(one: Recording) -> Iterator[str]:
    until = "on" if one.stopped_at is None else f"to {moment(one.stopped_at)}"
    yield f"{moment(one.started_at)} {until}, started by {one.started_by}"
    for at in one.resumed_at:
        yield f"another process went on at {moment(at)}"
    if one.reason is not None:
        yield f"{one.reason}{f': {printable(one.because)}' if one.because else ''}"
