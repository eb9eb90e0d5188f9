"""Who is put on which slot: a pure function, so that it can be proved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

Slot = TypeVar("Slot")
Track = TypeVar("Track")


def arrange(
    slots: Mapping[Slot, Track | None],
    wanted: Sequence[Track],
    fits: Callable[[Slot, Track], bool] = lambda _slot, _track: True,
) -> dict[Slot, Track | None]:
    """What each slot carries next: nobody moves, who is not wanted goes, the first wanted come in.

    Args:
        slots: what they carry now, None on a free one; in the order in which they fill up.
        wanted: distinct tracks, the most wanted first.
        fits: whether a slot can carry a track; one that fits nowhere is left out.
    """
    still = set(wanted)
    after = {
        slot: track if track is not None and track in still and fits(slot, track) else None
        for slot, track in slots.items()
    }
    carried = {track for track in after.values() if track is not None}
    waiting = [track for track in wanted if track not in carried]
    for slot, track in after.items():
        if track is None:
            after[slot] = next((one for one in waiting if fits(slot, one)), None)
            waiting = [one for one in waiting if one is not after[slot]]
    return after
