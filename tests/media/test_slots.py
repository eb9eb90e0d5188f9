from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from greenroom.media.slots import arrange

TRACKS = st.sampled_from(["thierry", "alice", "charlie", "jaewoong", "tommaso"])
WANTED = st.lists(TRACKS, unique=True)
CARRIED = st.lists(st.one_of(st.none(), TRACKS)).filter(
    lambda tracks: len(set(tracks) - {None}) == len([track for track in tracks if track])
)


@given(CARRIED, WANTED)
def test_slots_carry_what_is_wanted_once_and_are_free_only_if_nobody_waits(
    carried: list[str | None], wanted: list[str]
) -> None:
    after = list(arrange(dict(enumerate(carried)), wanted).values())
    seen = [track for track in after if track is not None]
    assert len(seen) == len(set(seen)) == min(len(after), len(wanted))
    assert set(seen) <= set(wanted)


@given(CARRIED, WANTED)
def test_nobody_who_is_still_wanted_moves(carried: list[str | None], wanted: list[str]) -> None:
    after = arrange(dict(enumerate(carried)), wanted)
    for slot, track in enumerate(carried):
        if track in wanted:
            assert after[slot] == track


@given(CARRIED, WANTED)
def test_arranging_again_changes_nothing(carried: list[str | None], wanted: list[str]) -> None:
    after = arrange(dict(enumerate(carried)), wanted)
    assert arrange(after, wanted) == after


def test_the_first_wanted_get_the_first_free_slots() -> None:
    carried = {"0": None, "1": "alice", "2": None}
    assert arrange(carried, ["thierry", "alice", "charlie", "jaewoong"]) == {
        "0": "thierry",
        "1": "alice",
        "2": "charlie",
    }
