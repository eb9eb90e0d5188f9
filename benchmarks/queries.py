"""How fast members are found: `python benchmarks/queries.py [--members 10000] [--save]`.

Baseline: SQL written by hand on the bare driver, on the same tables and indexes, answering the
same values. The target is 2.5 times its p50 for the queries of the views (`Views.queries`: the
filter parsed, a page of items and its cursors made, under a deadline), the same at any depth and
within 1.5 times from 10,000 to 1,000,000 members of one call. `call.query_members` is shown as
well: it also asks who may read, and how far the log goes. Beside them stand paging by OFFSET and
the entities of SQLAlchemy's ORM.
With `--plot`, what was last saved is drawn and written into docs/benchmarks.md instead (extra
`benchmarks`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._audience import (
    BLOCKS,
    CID,
    COMMON,
    DECLARED,
    OWNER,
    RARE,
    TIERS,
    TYPE,
    UNDECLARED,
    Audience,
    gather,
    size_of,
    views_of,
)
from benchmarks._by_hand import PAGE, Asker, Mark, Offset, Orm, by_hand
from benchmarks._latencies import Ask, Figure, figures_table, keep, kept, latencies, milliseconds
from benchmarks._places import BOTH, Place, places
from benchmarks._plots import draw, lines, write_in
from benchmarks._report import Arguments, arguments, grid, surroundings, tell

from greenroom import Greenroom, errors
from greenroom.domain.instants import micros
from greenroom.projections.items import MemberItem
from greenroom.projections.pages import Page
from greenroom.projections.queries import Queries

BY_HAND: Final = "by hand, bare driver"
QUERIES: Final = "greenroom, the views' queries"
HANDLE: Final = "greenroom, call.query_members"
OFFSET: Final = "by hand, OFFSET"
ORM: Final = "SQLAlchemy ORM"
DEPTHS: Final = (0, 50, 99)
"""Percent of the members before a page."""
_MARKS: Final = 5
"""Pages asked for at each depth."""
_WALK: Final = 1000
_VALUES: Final = 1000
"""Members, drawn by lot, who are asked for in turn."""


class Options(Arguments):
    """What the command line says."""

    store: list[str]
    members: list[int]
    asks: int
    plot: bool


class Ours(Asker):
    """Greenroom, at one level or the other."""

    def __init__(self, members: Callable[..., Page[MemberItem]]) -> None:
        self._members = members

    def point(self, user_id: str) -> Page[MemberItem]:
        """The one member of that id."""
        return self._members(filters={"user_id": user_id}, limit=PAGE)

    def page(self, mark: Mark) -> Page[MemberItem]:
        """By a cursor."""
        return self._members(cursor=mark.cursor, limit=PAGE)

    def prefix(self, begins: str) -> Page[MemberItem]:
        """By `$autocomplete`."""
        return self._members(filters={"user.name": {"$autocomplete": begins}}, limit=PAGE)

    def custom(self, field: str, value: str) -> Page[MemberItem]:
        """By equality."""
        return self._members(filters={f"custom.{field}": value}, limit=PAGE)

    def who(self, answer: Page[MemberItem]) -> list[str]:
        """Of the items."""
        return [item.user_id for item in answer.items]

    def close(self) -> None:
        """Its room is closed by who opened it."""


@dataclass(frozen=True)
class Question:
    """Something to ask of everybody, with another value every time."""

    name: str
    put: Callable[[Asker, Any], Any]
    values: Sequence[Any]
    to: Sequence[str]
    """Contenders, the baseline first."""

    def by(self, asker: Asker) -> Ask:
        """To be asked of one of them, for the `n`th time."""
        put, values, count = self.put, self.values, len(self.values)
        return lambda n: put(asker, values[n % count])


def questions(audience: Audience, begins_at: Mapping[int, Sequence[Mark]]) -> Iterator[Question]:
    """All that is measured of one audience."""
    chance = Random(audience.seed)
    some = [chance.randrange(audience.size) for _ in range(_VALUES)]
    known = (BY_HAND, QUERIES, HANDLE, ORM)
    ids = [audience.user_id(number) for number in some]
    yield Question("one member by id", lambda asker, value: asker.point(value), ids, known)
    for depth, begins in begins_at.items():
        to = (*known, OFFSET)
        yield Question(f"page at {depth} %", lambda asker, mark: asker.page(mark), begins, to)
    for how, begin in (("common", COMMON), ("rare", RARE)):
        name = f"names, a {how} prefix"
        yield Question(name, lambda asker, value: asker.prefix(value), [begin], known)
    fields: Mapping[str, Sequence[tuple[str, str]]] = {
        "5 %": [("tier", f"tier-{number}") for number in range(TIERS)],
        "0.1 %": [("block", f"block-{number % BLOCKS}") for number in some],
        "one match": [("badge", f"badge-{number}") for number in some],
        "no match": [("badge", f"nobody-{number}") for number in some],
    }
    for how, values in fields.items():
        name = f"declared field, {how}"
        yield Question(name, lambda asker, value: asker.custom(*value), values, known[:3])


def marks(queries: Queries, size: int) -> Mapping[int, list[Mark]]:
    """Where pages begin, some at each depth: found by walking through all members."""
    wanted = {size * depth // 100 // PAGE * PAGE: depth for depth in DEPTHS}
    found: dict[int, list[Mark]] = {depth: [] for depth in DEPTHS}
    found[0] = [Mark()]
    offset, cursor = 0, None
    for begin, depth in wanted.items():
        if not begin:
            continue
        while len(found[depth]) < _MARKS and offset < size:
            ahead = begin - offset
            limit = min(_WALK, ahead) if ahead > 0 else PAGE
            page = queries.members(CID, cursor=cursor, limit=limit, actor=OWNER)
            if page.next is None:
                break
            offset, cursor = offset + limit, page.next
            last = page.items[-1]
            if offset >= begin:
                key = (micros(last.created_at), last.user_id)
                found[depth].append(Mark(offset, key, cursor))
    return found


def ask_all(url: str, store: str, audience: Audience, options: Options) -> Iterator[Figure]:
    """Put every question to everybody."""
    with ExitStack() as stack:
        queries = stack.enter_context(views_of(url)).queries
        room = stack.enter_context(Greenroom.open(url, timers=False))
        askers: Mapping[str, Asker] = {
            BY_HAND: by_hand(url),
            QUERIES: Ours(partial(queries.members, CID, actor=OWNER, declared=DECLARED)),
            HANDLE: Ours(room.as_user(OWNER).call(TYPE, "crowd").query_members),
            OFFSET: by_hand(url, Offset),
            ORM: Orm(url),
        }
        for asker in askers.values():
            stack.callback(asker.close)
        for question in questions(audience, marks(queries, audience.size)):
            asked = answering(question, {name: askers[name] for name in question.to})
            taken = latencies(
                {name: question.by(asker) for name, asker in asked.items()},
                rounds=options.rounds,
                asks=options.asks,
            )
            for name, (p50, p99, ratio) in taken.items():
                yield Figure("queries", store, audience.size, question.name, name, p50, p99, ratio)


def answering(question: Question, askers: Mapping[str, Asker]) -> Mapping[str, Asker]:
    """Those who answer, all of them the same; without those who are stopped at the deadline."""
    said: dict[str, list[list[str]]] = {}
    for name, asker in askers.items():
        try:
            said[name] = [asker.who(question.by(asker)(n)) for n in range(3)]
        except errors.QueryTooSlow as error:
            print(f"{question.name}, {name}: stopped at the deadline: {error}")
    first = said[BY_HAND]
    assert all(ids == first for ids in said.values()), (question.name, said)
    return {name: askers[name] for name in said}


def undeclared(url: str) -> Sequence[str]:
    """What becomes of a filter by a field that nobody declared and nobody matches."""
    with views_of(url) as views:
        began = perf_counter()
        try:
            views.queries.members(CID, filters={f"custom.{UNDECLARED}": "octarine"}, actor=OWNER)
        except errors.QueryTooSlow as error:
            return "stopped", f"{(perf_counter() - began) * 1e3:.0f} ms", str(error)
        return "answered", f"{(perf_counter() - began) * 1e3:.0f} ms", ""


def one(place: Place, size: int, options: Options) -> tuple[str, Sequence[str]]:
    """The figures of one audience, and what an undeclared field leads to, each for a table."""
    audience, url = Audience(size), place.url()
    seconds = gather(url, audience)
    figures = list(ask_all(url, place.name, audience, options))
    title = f"{size:,} members of one call, {place.name}"
    note = f"Made in {seconds:.0f} s; the views take {size_of(url) / 1e6:,.0f} MB."
    table = f"{figures_table(title, figures, BY_HAND)}\n\n{note}"
    print(table, flush=True)
    if options.save:
        keep("queries", figures, surroundings())
    return table, [title, *undeclared(url)]


def plot() -> None:
    """Draw what was last saved, and write it down."""
    figures = kept("queries")
    stores = sorted({figure.store for figure in figures}, reverse=True)
    largest = max(figure.size for figure in figures)
    for name, question, title in (
        ("point-by-members", "one member by id", "One member by id"),
        ("page-by-members", "page at 50 %", "25 members from the middle of a call"),
    ):
        asked = [figure for figure in figures if figure.question == question]
        panels = {
            store: lines((f for f in asked if f.store == store), lambda f: f.size)
            for store in stores
        }
        draw(name, title, panels, along="members of the call", wide=True)
    pages = [f for f in figures if f.size == largest and f.question.startswith("page at")]
    panels = {
        store: lines((f for f in pages if f.store == store), lambda f: int(f.question.split()[2]))
        for store in stores
    }
    title = f"25 members of a call of {largest:,}"
    draw("page-by-depth", title, panels, along="percent of the members before the page")
    write_in("queries", "\n\n".join(summary(figures, store) for store in stores))


def summary(figures: Sequence[Figure], store: str) -> str:
    """One store's p50 of the baseline and of greenroom: a line a question, columns by size."""
    found = {(f.question, f.contender, f.size): f for f in figures if f.store == store}
    sizes = sorted({size for _, _, size in found})
    names = dict.fromkeys(question for question, _, _ in found)

    def cells(question: str) -> Iterator[str]:
        for size in sizes:
            by_hand, *ours = (
                found.get((question, who, size)) for who in (BY_HAND, QUERIES, HANDLE)
            )
            yield milliseconds(by_hand.p50) if by_hand else ""
            yield from (f"{figure.ratio:.2f}" if figure else "stopped" for figure in ours)

    head = [
        store,
        *(
            title
            for size in sizes
            for title in (
                f"{size:,} members: by hand",
                "the views' queries",
                "`call.query_members`",
            )
        ),
    ]
    return grid(head, [[question, *cells(question)] for question in names])


def main() -> None:
    parser = arguments(__doc__, rounds=15)
    parser.add_argument("--store", choices=BOTH, nargs="*", default=BOTH)
    parser.add_argument("--members", type=int, nargs="*", default=[10_000])
    parser.add_argument("--asks", type=int, default=40, help="questions a round (%(default)s)")
    parser.add_argument("--plot", action="store_true", help="draw what was saved instead")
    options = parser.parse_args(namespace=Options())
    if options.plot:
        plot()
        return
    with places(options.store) as kinds:
        found = [one(place, size, options) for size in options.members for place in kinds]
    head = ["An undeclared field without a match", "", "after", "what is said"]
    limits = grid(head, [limit for _, limit in found])
    tell("queries", [*(table for table, _ in found), limits], save=options.save)


if __name__ == "__main__":
    main()
