"""How fast one durable command is, alone: `python benchmarks/command.py [--save]`.

Somebody joins and leaves a call in which 20 others are; each command is on the disk before the
next one begins (SQLite, WAL, synchronous=FULL on all sides).

Baseline: a stock aggregate of the eventsourcing library: get, command, save. The target is 1.5
times that. The last line is the floor: the driver inserting the same bytes, one row a commit.
With `--profile`, where greenroom's own time goes instead.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from cProfile import Profile
from itertools import count
from pathlib import Path
from pstats import Stats
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._report import measure, table, tell
from benchmarks._stock import StockApplication, StockSession

from greenroom import Greenroom

PRESENT = 20
VISITS = 20
"""Joins in one round; as many leaves follow."""
ROUNDS = 15
DOCUMENT = b"x" * 450
"""About what a stored `session.joined` takes."""


def stock_visits(application: StockApplication) -> Callable[[], None]:
    """Rounds of visits, each to a session of its own that is made beforehand."""
    evidence = {"call": 3, "call_type": 1, "membership": 1, "user": 1}
    sessions = []
    for _ in range(ROUNDS + 1):
        session = StockSession(cid="livestream:123", session=1)
        for number in range(PRESENT):
            session.join(f"{number}", f"user-{number}", "user", counts=True, evidence=evidence)
        application.save(session)
        sessions.append(session.id)

    def visit() -> None:
        session_id = sessions.pop()
        for number in range(VISITS):
            entry, user = f"entry-{number}", f"visitor-{number}"
            session = application.session(session_id)
            session.join(entry, user, "user", counts=True, evidence=evidence)
            application.save(session)
            session = application.session(session_id)
            session.leave(entry, user, "left")
            application.save(session)

    return visit


def our_visits(room: Greenroom) -> Callable[[], None]:
    """Rounds of visits, each to a call of its own that is made beforehand."""
    calls = []
    for each in range(ROUNDS + 1):
        call_id = f"class-{each}"
        room.as_user("thierry").call("development", call_id).create()
        for number in range(PRESENT):
            room.as_user(f"user-{number}").call("development", call_id).join()
        calls.append(call_id)

    def visit() -> None:
        call_id = calls.pop()
        for number in range(VISITS):
            visitor = room.as_user(f"visitor-{number}").call("development", call_id)
            visitor.join()
            visitor.leave()

    return visit


def raw_inserts(connection: sqlite3.Connection) -> Callable[[], None]:
    """As many commits of one row each, through the bare driver."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE log (position INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT, version"
        " INTEGER, name TEXT, state BLOB, UNIQUE (stream, version))"
    )
    versions = count(1)

    def insert() -> None:
        for _ in range(2 * VISITS):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "INSERT INTO log (stream, version, name, state) VALUES (?, ?, ?, ?)",
                ("session-development:class/1", next(versions), "session.joined", DOCUMENT),
            )
            connection.execute("COMMIT")

    return insert


def main() -> None:
    with (
        TemporaryDirectory() as directory,
        closing(StockApplication(Path(directory) / "stock.db")) as application,
        Greenroom.open(f"sqlite:///{directory}/ours.db", timers=False) as room,
        closing(sqlite3.connect(f"{directory}/raw.db", isolation_level=None)) as connection,
    ):
        visits = our_visits(room)
        if "--profile" in sys.argv:
            with Profile() as profile:
                for _ in range(10):
                    visits()
            Stats(profile).sort_stats("tottime").print_stats(25)
            return
        rows = measure(
            {
                "eventsourcing: get, command, save": stock_visits(application),
                "greenroom: join, leave": visits,
                "sqlite3: one row a commit": raw_inserts(connection),
            },
            work=2 * VISITS,
            rounds=ROUNDS,
        )
    tell("command", [table("One durable command at a time", rows, "commands")])


if __name__ == "__main__":
    main()
