"""How fast recorded decisions are made again: `python benchmarks/what_if.py [--save]`.

Baseline: what an auditor had to do before: ask `room.at(position)` to explain each join. The log
is in SQLite: people come to many calls and leave them. The processor's time is compared, as nothing
waits. The target is 100,000 decisions a second in one process.

Where processes share the work of a log five times as long, the time that passes is compared; and
the processors' time of them all, which says on a busy machine as well what sharing costs: with 1.3
times that of one process, two free cores are done 1.5 times as fast.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any, TypeAlias

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._report import Arguments, Contender, arguments, measure, table, tell

from greenroom import Greenroom, whatif
from greenroom.adapters.stores import open_store
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.message import CallId, Decided, EntryId, EventId, RequestId, StreamId
from greenroom.domain.operations import life, presence
from greenroom.domain.operations.operation import Operation
from greenroom.domain.ports import EventStore
from greenroom.domain.streams import call_in, decider_of
from greenroom.domain.turn import Claim, Folded
from greenroom.whatif import Mode

DECISIONS = 200_000
SHARED = 5 * DECISIONS
EXPLAINED = 50
"""Joins that the baseline explains: each takes as long as thousands of decisions."""
PEOPLE, TOGETHER, BATCH = 5_000, 50, 4_000
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
Join: TypeAlias = tuple[int, str, str]
"""Position, cid and user id."""
MEMBERS_ONLY = whatif.revoke("default", role="user", capability="join-call")


def wishes(decisions: int) -> Iterator[tuple[CallId, str, Operation[CallTurn]]]:
    """Calls that people create, join and leave, about as often as they join them."""
    random = Random(1)
    present: list[tuple[CallId, list[tuple[EntryId, str]]]] = []
    for number in range(decisions):
        if number % TOGETHER == 0:
            cid = CallId(f"default:{number}")
            present = [*present[-TOGETHER:], (cid, [])]
            who = f"user-{random.randrange(PEOPLE)}"
            yield cid, who, life.create(life.new_call(member_ids=["user-1"]))
            continue
        cid, entries = random.choice(present)
        if entries and random.random() < 0.48:
            entry_id, who = entries.pop(random.randrange(len(entries)))
            yield cid, who, presence.leave(entry_id)
        else:
            entry_id, who = EntryId(f"entry-{number}"), f"user-{random.randrange(PEOPLE)}"
            entries.append((entry_id, who))
            yield cid, who, presence.join(entry_id)


def record(store: EventStore, decisions: int) -> None:
    """Decide, and append what was decided many decisions at a time."""
    states: dict[StreamId, Folded[Any]] = {}
    batch: list[Decided[Any]] = []

    def load(stream: StreamId) -> Folded[Any]:
        if stream not in states:
            found = list(store.events(stream)) if stream.startswith("type-") else []
            states[stream] = Folded(decider_of(stream).fold(found), len(found))
        return states[stream]

    for number, (cid, who, operation) in enumerate(wishes(decisions)):
        at = START + timedelta(milliseconds=50 * number)
        turn = CallTurn(cid, Claim(who), at, load, lambda _: ())
        operation.decide(turn)
        states.update(turn.states)
        request = RequestId(f"request-{number}")
        batch += (
            Decided(
                stream=step.stream,
                version=step.version,
                event=step.event,
                event_id=EventId(f"event-{number}-{n}"),
                by=step.by,
                request_id=request,
                correlation_id=request,
            )
            for n, step in enumerate(turn.steps)
        )
        if len(batch) > BATCH:
            store.append(batch)
            batch = []
    store.append(batch)


def explained(room: Greenroom, joins: Sequence[Join]) -> None:
    """The baseline: the room before each join explains it."""
    for position, cid, user_id in joins:
        with room.at(position - 1) as then:
            call = then.system("audit").call(*cid.split(":"))
            assert call.explain("join", user=user_id).allowed


def some_joins(store: EventStore) -> list[Join]:
    """From the middle of the evening."""
    joins = (pair for pair in store.feed() if pair[1].event.name == "session.joined")
    some = islice(joins, DECISIONS // 4, DECISIONS // 4 + EXPLAINED)
    return [(position, call_in(record.event) or "", record.by.name) for position, record in some]


def deciding(room: Greenroom, *changes: Any, decisions: int = DECISIONS, **said: Any) -> Contender:
    def run() -> None:
        found = room.what_if(*changes).over(**{"processes": 1, **said})
        assert found.decided == decisions

    return Contender(run, decisions)


def processors_time() -> float:
    """Seconds, of this process and of all that it has waited for."""
    spent = (getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in spent)


def compare(room: Greenroom, joins: Sequence[Join], rounds: int) -> list[str]:
    baseline = Contender(lambda: explained(room, joins), EXPLAINED)
    one = measure(
        {
            "room.at(...).explain, join by join": baseline,
            "nothing supposed, pinned": deciding(room),
            "nothing supposed, cascading": deciding(room, mode=Mode.CASCADING),
            "members only, pinned": deciding(room, MEMBERS_ONLY),
        },
        rounds=rounds,
        clock=process_time,
    )
    return [table(f"{DECISIONS:,} recorded decisions made again, SQLite", one, "decisions")]


def share(room: Greenroom, rounds: int) -> list[str]:
    contenders = {
        "one process": deciding(room, MEMBERS_ONLY, decisions=SHARED),
        "two processes, forked": deciding(room, MEMBERS_ONLY, decisions=SHARED, processes=2),
    }
    tables = []
    for title, clock in (
        ("the clock on the wall", perf_counter),
        ("the processors' time of all", processors_time),
    ):
        rows = measure(contenders, rounds=rounds, clock=clock, warm_up=False)
        tables.append(table(f"{SHARED:,} decisions, members only, by {title}", rows, "decisions"))
    return tables


@contextmanager
def recorded(directory: str, decisions: int) -> Iterator[tuple[Greenroom, Sequence[Join]]]:
    """A room in which so much was decided."""
    url = f"sqlite:///{directory}/{decisions}.db"
    with Greenroom.open(url, timers=False):
        pass  # which writes the built-in types
    with closing(open_store(url, create=False)) as store:
        record(store, decisions)
        joins = some_joins(store)
    with Greenroom.open(url, timers=False) as room:
        yield room, joins


def main() -> None:
    options = arguments(__doc__, rounds=3).parse_args(namespace=Arguments())
    gc.freeze()  # as `greenroom what-if` does
    with TemporaryDirectory() as directory:
        with recorded(directory, DECISIONS) as (room, joins):
            room.rebuild()
            tables = compare(room, joins, options.rounds)
        with recorded(directory, SHARED) as (room, _):
            tables += share(room, 1)
    tell("what_if", tables, save=options.save)


if __name__ == "__main__":
    main()
