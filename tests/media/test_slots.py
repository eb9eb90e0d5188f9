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


LIKES = st.sets(st.tuples(st.integers(0, 10), TRACKS))


@given(CARRIED, WANTED, LIKES)
def test_a_slot_carries_what_fits_it_and_is_free_only_if_nobody_who_fits_waits(
    carried: list[str | None], wanted: list[str], likes: set[tuple[int, str]]
) -> None:
    after = arrange(dict(enumerate(carried)), wanted, lambda slot, track: (slot, track) in likes)
    left_out = set(wanted) - set(after.values())
    for slot, track in after.items():
        if track is not None:
            assert (slot, track) in likes
        else:
            assert not any((slot, other) in likes for other in left_out)


def test_the_first_wanted_get_the_first_free_slots() -> None:
    carried = {"0": None, "1": "alice", "2": None}
    assert arrange(carried, ["thierry", "alice", "charlie", "jaewoong"]) == {
        "0": "thierry",
        "1": "alice",
        "2": "charlie",
    }
