"""Who is put on which slot: a pure function, so that it can be proved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

Slot = TypeVar("Slot")
Track = TypeVar("Track")


def arrange(
    slots: Mapping[Slot, Track | None], wanted: Sequence[Track]
) -> dict[Slot, Track | None]:
    """What each slot carries next: nobody moves, who is not wanted goes, the first wanted come in.

    Args:
        slots: what they carry now, None on a free one; in the order in which they fill up.
        wanted: distinct tracks, the most wanted first.
    """
    still = set(wanted)
    after = {slot: track if track in still else None for slot, track in slots.items()}
    carried = {track for track in after.values() if track is not None}
    waiting = iter([track for track in wanted if track not in carried])
    return {slot: next(waiting, None) if track is None else track for slot, track in after.items()}
