"""What somebody may do to what was whole: to a text or bytes, to rows, to a JSON document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any, AnyStr, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

MOST_EDITS = 4
OFTEN = 300
"""More hashes than lead to a root in any tree."""


@st.composite
def edited(draw: st.DrawFn, whole: AnyStr, pieces: st.SearchStrategy[AnyStr]) -> AnyStr:
    """`whole` with some of it cut out and some `pieces` put in; it may come out as it was."""
    for _ in range(draw(st.integers(0, MOST_EDITS))):
        start = draw(st.integers(0, len(whole)))
        end = draw(st.integers(start, min(len(whole), start + 64)))
        whole = whole[:start] + draw(pieces) + whole[end:]
    return whole


@st.composite
def shuffled(draw: st.DrawFn, whole: Sequence[T], more: st.SearchStrategy[T]) -> list[T]:
    """The rows of `whole`, some left out, repeated or in another place, and others among them."""
    rows = [*whole]
    for _ in range(draw(st.integers(0, MOST_EDITS))):
        at = draw(st.integers(0, len(rows)))
        taken = draw(st.lists(st.sampled_from(rows) if rows else more, max_size=2))
        cut = draw(st.integers(0, 2))
        rows = [*rows[:at], *taken, *draw(st.lists(more, max_size=1)), *rows[at + cut :]]
    return rows


def shuffled_rows(whole: str, more: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """The rows of a text, shuffled."""
    return shuffled(whole.splitlines(), more).map(lambda rows: "\r\n".join(rows) + "\r\n")


@st.composite
def edited_json(draw: st.DrawFn, whole: Any, others: st.SearchStrategy[Any]) -> Any:
    """The document `whole`, some values changed, left out, repeated or in another's place.

    Args:
        whole: stays as it is.
        others: what is put in.
    """
    whole = deepcopy(whole)
    for _ in range(draw(st.integers(1, MOST_EDITS))):
        places = [*_places(whole)]
        if not places:
            break
        holder, key = places[draw(st.integers(0, len(places) - 1))]
        kind = draw(st.sampled_from(["changed", "moved", "gone", "again", "often"]))
        if kind == "gone":
            del holder[key]
        elif kind == "moved":
            there, other = places[draw(st.integers(0, len(places) - 1))]
            holder[key] = deepcopy(there[other])
        elif kind == "again" and isinstance(holder, list):
            holder.insert(key, deepcopy(holder[key]))
        elif kind == "often" and isinstance(holder[key], list):
            holder[key] = holder[key][:1] * OFTEN
        else:
            holder[key] = deepcopy(draw(_like(holder[key]) | others))
    return whole


def _places(whole: Any) -> Iterator[tuple[Any, Any]]:
    """(object or list, name or number) of all values within."""
    keys = whole if isinstance(whole, dict) else range(len(whole))
    for key in keys:
        yield whole, key
        if isinstance(whole[key], (dict, list)):
            yield from _places(whole[key])


def _like(value: Any) -> st.SearchStrategy[Any]:
    if isinstance(value, str):
        return edited(value, st.text(max_size=4))
    return st.integers(-2, 2).map(lambda by: value + by if isinstance(value, int) else by)
