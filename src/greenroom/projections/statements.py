"""Statements put together once for each shape of a query, and handed straight to the driver."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, BindParameter, ClauseElement, TypeDecorator, bindparam
from sqlalchemy import Dialect as Driver
from sqlalchemy.sql.compiler import SQLCompiler

from greenroom.projections.shapes import LAST

MAX_STATEMENTS: Final = 512
"""Kept of one kind of query. Callers choose the shapes: their number has to have a bound."""

SUFFIX: Final = "__"
"""Between the name of a value, and what is to be made of it."""

ROWS: Final = bindparam("rows", type_=BigInteger())
"""How many rows to read at most."""

Change = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with positional parameters, and which of the values given stands where."""

    sql: str
    places: tuple[tuple[int, Change | None], ...]
    """For each parameter: the index among the values given, and what to make of the value."""
    constants: tuple[Any, ...]
    """Values that never change; their indexes are negative."""
    steady: bool = False
    """Whether one plan is the best for all values."""

    def arguments(self, given: Sequence[Any]) -> list[Any]:
        """The values of the parameters in their order."""
        values = (*given, *self.constants) if self.constants else given
        return [
            values[index] if change is None else change(values[index])
            for index, change in self.places
        ]


def behind(prefix: str) -> str | None:
    """The first text past all that begin with `prefix`; None where there is none."""
    kept = prefix.rstrip(LAST)
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(_SURROGATES.stop if following in _SURROGATES else following)


_SURROGATES: Final = range(0xD800, 0xE000)
_CHANGES: Final[Mapping[str, Change]] = {"behind": behind, "folded": str.casefold}
"""By suffix: `v3__behind` is what `behind` makes of the value `v3`."""


def compiled(
    select: ClauseElement, names: Sequence[str], driver: Driver, *, steady: bool = False
) -> Statement:
    """`select` as `driver` takes it.

    Args:
        select: its parameters have names; those with none are constants.
        names: of the values that will be given, in their order.
        driver: one with positional parameters.
        steady: whether one plan is the best for all values.
    """
    made = select.compile(dialect=driver)
    if not isinstance(made, SQLCompiler):
        raise TypeError(type(made).__name__)
    ordered = made.positiontup or ()
    constants = [name for name in dict.fromkeys(ordered) if name.partition(SUFFIX)[0] not in names]
    places: list[tuple[int, Change | None]] = []
    for name in ordered:
        if name in constants:
            places.append((constants.index(name) - len(constants), None))
            continue
        said, _, suffix = name.partition(SUFFIX)
        typed = _typed(made.binds[name], driver)
        places.append((names.index(said), _chained(_CHANGES.get(suffix), typed)))
    values = made.params
    never_changing = tuple(values[name] for name in constants)
    return Statement(str(made), tuple(places), never_changing, steady)


class Statements:
    """Those of one kind of query, the latest used; safe for many threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Statement] = OrderedDict()

    def get(self, shape: Hashable, make: Callable[[], Statement]) -> Statement:
        """The statement of that shape; `make` gives it where it is not at hand."""
        kept = self._kept
        try:
            kept.move_to_end(shape)
            return kept[shape]
        except KeyError:  # never made, or forgotten, even between these two lines
            made = kept[shape] = make()
        while len(kept) > MAX_STATEMENTS:
            kept.popitem(last=False)
        return made


def _typed(parameter: BindParameter[Any], driver: Driver) -> Change | None:
    """What the type of a parameter makes of its values, where it is one of our own."""
    kind = parameter.type
    if not isinstance(kind, TypeDecorator):
        return None
    return lambda value: kind.process_bind_param(value, driver)


def _chained(first: Change | None, then: Change | None) -> Change | None:
    if first is None or then is None:
        return first or then
    return lambda value: then(first(value))
