"""What somebody may do to a text or to bytes that were whole: a few cuts, a few insertions."""

from __future__ import annotations

from typing import AnyStr

from hypothesis import strategies as st

MOST_EDITS = 4


@st.composite
def edited(draw: st.DrawFn, whole: AnyStr, pieces: st.SearchStrategy[AnyStr]) -> AnyStr:
    """`whole` with some of it cut out and some `pieces` put in; it may come out as it was."""
    for _ in range(draw(st.integers(0, MOST_EDITS))):
        start = draw(st.integers(0, len(whole)))
        end = draw(st.integers(start, min(len(whole), start + 64)))
        whole = whole[:start] + draw(pieces) + whole[end:]
    return whole


@st.composite
def shuffled_rows(draw: st.DrawFn, whole: str, more: st.SearchStrategy[str]) -> str:
    """The rows of `whole`, some left out, repeated or in another place, and others among them."""
    rows = whole.splitlines()
    for _ in range(draw(st.integers(0, MOST_EDITS))):
        at = draw(st.integers(0, len(rows)))
        taken = draw(st.lists(st.sampled_from(rows) if rows else more, max_size=2))
        cut = draw(st.integers(0, 2))
        rows = [*rows[:at], *taken, *draw(st.lists(more, max_size=1)), *rows[at + cut :]]
    return "\r\n".join(rows) + "\r\n"
