"""What to do about a query that took too long, told by the field that it took the time for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any as Anything
from typing import Final

from greenroom.domain.errors import QueryTooSlow
from greenroom.domain.instants import micros_of
from greenroom.projections.query import Comparison, Filter, Kind, comparisons

_NARROWER: Final = "ask for one of the query's own fields as well, which narrows what is searched"
_LONGER: Final = "or allow more time, Greenroom.open(..., query_limit=...)"


def too_slow(
    limit: timedelta, filters: dict[str, Anything] | None, tree: Filter, kind: str, scope: str
) -> QueryTooSlow:
    """The refusal, with the path of the field that no index finds.

    Args:
        limit: what was exceeded.
        filters: as they were asked for.
        tree: what they mean.
        kind: of query.
        scope: the cid, or empty for the whole house.
    """
    said = f"a query answered within {limit / timedelta(milliseconds=1):g} ms"
    # Inside documents, where no index can answer.
    undeclared = (one for one in comparisons(tree) if one.kind is Kind.JSON and not one.declared)
    slow = next(undeclared, None)
    if slow is None:
        return QueryTooSlow("filters", f"{said}; {_NARROWER}, {_LONGER}")
    name = ".".join((slow.field, *slow.path))
    place = next(_places(filters or {}, name, "filters"), "filters")
    return QueryTooSlow(place, f"{said}, and no index finds {name}: {_remedy(slow, kind, scope)}")


def declaration(comparison: Comparison, kind: str, scope: str) -> str | None:
    """The statement that declares what is compared; None where it cannot be declared."""
    key, *inside = comparison.path
    if comparison.field != "custom" or inside or kind not in {"members", "calls"}:
        return None
    call_type = repr(scope.partition(":")[0]) if scope else "<each call type that has it>"
    declared = {kind: {key: _kind(comparison)}}
    return f"room.call_types.update({call_type}, indexed_custom={declared})"


def _remedy(slow: Comparison, kind: str, scope: str) -> str:
    declare = declaration(slow, kind, scope)
    if declare is not None:
        return f"declare it, {declare}, {_LONGER}"
    if slow.field == "custom":
        return f"keep it in a key of custom itself, which can be declared; or {_NARROWER}"
    return f"it cannot be declared; {_NARROWER}, {_LONGER}"


def _places(filters: dict[str, Anything], name: str, where: str) -> Iterator[str]:
    """Where `name` stands in filters that were parsed, the first first."""
    for said_key, said in dict.items(filters):  # as for `parse`, a stranger's methods are not run
        key = str.__str__(said_key)
        if key == name:
            yield f"{where}.{key}"
        elif key.startswith("$"):
            for index, part in enumerate(said):
                yield from _places(part, name, f"{where}.{key}[{index}]")


def _kind(comparison: Comparison) -> str:
    """As what it would be declared, by what it was compared with."""
    value = next((value for value in comparison.values if value is not None), "")
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string" if micros_of(value) is None else "instant"
    return "number"
