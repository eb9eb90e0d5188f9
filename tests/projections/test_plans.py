"""No page is found by going through everything: what databases say of how they would find it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from itertools import permutations, product
from typing import Any, NamedTuple

import psycopg
import pytest
from tests.projections.history import CID, History
from tests.projections.places import Where, execute, opened

from greenroom.projections import postgres_readers, questions
from greenroom.projections.calls import calls
from greenroom.projections.narrowing import Narrowing
from greenroom.projections.pages import Page
from greenroom.projections.parse import parse
from greenroom.projections.postgres import PostgresDatabase
from greenroom.projections.query import Elsewhere, Fields, SortKey
from greenroom.projections.tables import NOW
from greenroom.projections.views import Views

MANY = 100_000
COUNTED = {
    "sqlite": "(WITH RECURSIVE up(n) AS"
    f" (VALUES (1) UNION ALL SELECT n + 1 FROM up WHERE n < {MANY}) SELECT n FROM up) AS numbers",
    "postgres": f"generate_series(1, {MANY}) AS numbers(n)",
}
ROWS = {
    "members": "cid, user_id, user_id_folded, role, custom, created_at, updated_at"
    f" SELECT '{CID}', 'user-' || (n * 7919 % {MANY}), 'user-' || (n * 7919 % {MANY}),"
    " CASE WHEN n % 1000 = 0 THEN 'host' ELSE 'call_member' END, '{}', 1000 * n, 1000 * n",
    "users": "user_id, name, name_folded, role, teams, custom"
    " SELECT 'user-' || (n - 1), 'Name ' || n, 'name ' || n, 'user', '[]', '{}'",
    "calls": "cid, type, id, created_by, custom, settings, created_at, updated_at, starts_at,"
    " ended_at, backstage, ongoing, session, member_count, deleted, erased"
    " SELECT 'default:' || n, 'default', CAST(n AS text), 'thierry', '{}', '{}', n, n, 3 * n,"
    " 5 * n, FALSE, FALSE, 0, 0, FALSE, FALSE",
    "participants": "cid, entry_id, session_id, user_id, role, joined_at, connected,"
    " published, muted"
    f" SELECT '{CID}', 'entry-' || n, '{CID}:1', 'user-' || (n % 1000), 'user', n, FALSE, '', ''",
    "sessions": "cid, number, id, started_by, started_at, participant_count, entry_count"
    f" SELECT '{CID}', n, '{CID}:' || n, 'thierry', n, 0, 0",
}


class Crowd(NamedTuple):
    """Large views, and what they say of a statement before they run it."""

    views: Views
    plan: Callable[..., Sequence[str]]


def explained_by_sqlite(
    views: Views, sql: str, arguments: Sequence[Any], **_: bool
) -> Sequence[str]:
    return [row[3] for row in views._database.fetch(f"EXPLAIN QUERY PLAN {sql}", arguments)]


def explained_by_postgres(
    views: Views, sql: str, arguments: Sequence[Any], *, steady: bool = False
) -> Sequence[str]:
    """How it is done, for these values or, if `steady`, for any."""
    database = views._database
    assert isinstance(database, PostgresDatabase)
    readers = database._limited.once if steady else database._limited.each
    numbered = "".join(
        f"${number}{rest}" if number else rest for number, rest in enumerate(sql.split("%s"))
    )
    reader = readers.take()
    connection = reader.connection
    try:
        connection.execute(f"PREPARE asked AS {numbered}".encode())
        values = ", ".join(["%s"] * len(arguments))
        asked = f"EXPLAIN EXECUTE asked({values})" if arguments else "EXPLAIN EXECUTE asked"
        found = psycopg.ClientCursor(connection).execute(asked.encode(), arguments).fetchall()
        connection.execute("DEALLOCATE asked")
    finally:
        readers.give_back(reader)
    return [line.strip().removeprefix("->").strip() for (line,) in found]


@pytest.fixture(
    scope="module",
    params=[pytest.param(kind, marks=pytest.mark.slow) for kind in ("sqlite", "postgres")],
)
def crowd(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Crowd]:
    """A call with a hundred thousand of everything, in a house with as many calls."""
    where: Where = (
        request.getfixturevalue("crowded_database")
        if request.param == "postgres"
        else tmp_path_factory.mktemp("crowd") / "calls.views.db"
    )
    history = History()
    history.created()
    views = opened(where, history, time_limit=timedelta(seconds=20))
    for table, rows in ROWS.items():
        columns, _, values = rows.partition(" SELECT ")
        execute(
            where, f"INSERT INTO {table} ({columns}) SELECT {values} FROM {COUNTED[request.param]}"
        )
    execute(where, f"UPDATE calls SET member_count = {MANY} WHERE cid = '{CID}'")
    explained: Callable[..., Sequence[str]] = explained_by_sqlite
    if request.param == "postgres":
        explained = explained_by_postgres
        execute(where, "ANALYZE")
    yield Crowd(views, partial(explained, views))
    views.close()


@pytest.fixture(scope="module")
def crowded_database(postgres: Any) -> Iterator[str]:
    postgres.execute("CREATE DATABASE crowded TEMPLATE template0")
    yield postgres.url("crowded")
    postgres.execute("DROP DATABASE crowded WITH (FORCE)")


def whole(line: str) -> bool:
    """Whether a line of a plan goes through a whole table, or sorts all that it found.

    PostgreSQL sorts where it expects few rows: it has looked at what stands in the tables.
    """
    if line == "USE TEMP B-TREE FOR ORDER BY":
        return True
    if line.startswith("SCAN "):
        return "USING INDEX" not in line and "CONSTANT" not in line
    expected = re.match(r"(Sort|(Parallel )?Seq Scan on .*) +\(cost=.* rows=(\d+)", line)
    return expected is not None and int(expected[3]) > MANY / 100


@pytest.mark.slow
def test_a_plan_that_is_kept_walks_along_an_index_even_if_tables_were_small(
    postgres_url: str,
) -> None:
    history = History()
    history.created()
    for user_id in ("thierry", "alice", "charlie", "jaewoong"):
        history.added(user_id)
    views = opened(postgres_url, history)
    few = Crowd(views, partial(explained_by_postgres, views))
    for sort in sorts(KINDS["members"]):
        for plan in plans(few, asking(few, "members", sort=sort, limit=1)):
            assert not [
                line for line in plan if re.match(r"(Seq Scan|Bitmap|Sort +\(cost)", line)
            ], plan
    views.close()


@pytest.mark.slow
def test_what_was_planned_once_is_planned_again_after_a_while(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History()
    history.created()
    views = opened(postgres_url, history)
    assert isinstance(views._database, PostgresDatabase)
    views.queries.members(CID)
    connection = (reader := views._database._limited.once.take()).connection
    views._database._limited.once.give_back(reader)
    for setting in ("enable_indexscan = off", "enable_seqscan = on"):
        connection.execute(f"SET {setting}".encode())

    def kept() -> str:
        name, types = connection.execute(
            "SELECT name, parameter_types::text[] FROM pg_prepared_statements"
        ).fetchall()[0]
        asked = f"EXPLAIN EXECUTE {name}({', '.join(['NULL'] * len(types))})"
        return str(connection.execute(asked.encode(), prepare=False).fetchall())

    assert "Seq Scan" not in kept()
    views.queries.members(CID)
    assert "Seq Scan" not in kept()
    monkeypatch.setattr(postgres_readers, "STALE", 0.0)
    views.queries.members(CID)
    assert "Seq Scan" in kept()
    views.close()


def plans(crowd: Crowd, ask: Callable[..., Page[Any]]) -> Iterator[Sequence[str]]:
    """How the first page is found, the one behind it, and the way back."""
    fetch, seen = crowd.views._database.fetch, []

    def noted(sql: str, arguments: Sequence[Any], **how: bool) -> list[tuple[Any, ...]]:
        seen.append((sql, arguments, how))
        return fetch(sql, arguments, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crowd.views._database, "fetch", noted)
        first = ask()
        assert first.next, "a page of many"
        ask(cursor=ask(cursor=first.next).prev)
    assert len(seen) == 3
    for sql, arguments, how in seen:
        yield crowd.plan(sql, arguments, **how)


def sorts(fields: Fields) -> Iterator[list[SortKey]]:
    """Every sort that is allowed."""
    for length in (1, 2):
        for names in permutations(fields.sortable, length):
            for ways in product([False, True], repeat=length):
                yield [SortKey(name, way) for name, way in zip(names, ways, strict=True)]


KINDS = {
    "members": questions.MEMBER_FIELDS,
    "calls": questions.CALL_FIELDS,
    "participants": questions.PARTICIPANT_FIELDS,
    "sessions": questions.SESSION_FIELDS,
}


def asking(crowd: Crowd, kind: str, **said: Any) -> Callable[..., Page[Any]]:
    """A query, to be asked with a cursor or without."""
    ask = getattr(crowd.views.queries, kind)
    place = () if kind == "calls" else (CID,)
    return lambda **how: ask(*place, **said, **how)


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_a_page_is_sorted_by_an_index_finds_its_rows(crowd: Crowd, kind: str) -> None:
    """By type and something else, however, calls of one type are sorted: there are few types."""
    for sort in sorts(KINDS[kind]):
        if sort[0].field == "type" and len(sort) > 1:
            continue
        for plan in plans(crowd, asking(crowd, kind, sort=sort)):
            assert not [line for line in plan if whole(line)], (sort, plan)


@pytest.mark.parametrize("descending", [False, True])
def test_the_few_with_a_role_are_found_in_the_order_they_came(
    crowd: Crowd, *, descending: bool
) -> None:
    sort = [SortKey("created_at", descending)]
    for plan in plans(crowd, asking(crowd, "members", filters={"role": "host"}, sort=sort)):
        assert not [line for line in plan if whole(line)], plan
        assert any("members_by_role" in line for line in plan), plan


def test_members_named_one_by_one_are_looked_up(crowd: Crowd) -> None:
    some = {"user_id": {"$in": ["user-7", "user-77", "user-777"]}}
    for sort in ([SortKey("created_at")], [SortKey("created_at", descending=True)]):
        ask = asking(crowd, "members", filters=some, sort=sort, limit=1)
        for plan in plans(crowd, ask):
            assert not any("members_by_age" in line for line in plan), plan


@pytest.mark.parametrize(
    ("said", "few"),
    [({"$autocomplete": "NAME 777"}, True), ({"$autocomplete": "n"}, False), ("Name 777", True)],
)
def test_people_are_looked_up_by_a_rare_name_and_met_by_a_common_one(
    crowd: Crowd, said: Any, *, few: bool
) -> None:
    fetch, seen = crowd.views._database.fetch, list[tuple[str, Sequence[Any]]]()

    def noted(sql: str, arguments: Sequence[Any], **how: bool) -> list[tuple[Any, ...]]:
        seen.append((sql, arguments))
        return fetch(sql, arguments, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crowd.views._database, "fetch", noted)
        assert crowd.views.queries.members(CID, filters={"user.name": said}).items
    plan = crowd.plan(*seen[-1])
    assert not [line for line in plan if whole(line) and not few], plan
    assert any("users_by_name" in line for line in plan) is few, plan


@pytest.mark.parametrize(("members", "looked_up"), [(100, False), (MANY, True)])
def test_whether_a_name_is_rare_depends_on_how_many_are_in_the_call(
    members: int, *, looked_up: bool
) -> None:
    """Of a hundred, sixty are met at once; of a hundred thousand they are the few."""
    history = History()
    history.created()
    for number in range(60):
        history.upserted(f"user-{number}", name=f"Jo {number}")
    views = opened(None, history)
    with views._database.write() as connection:
        connection.execute(calls.update().values(member_count=members))
    tree = parse({"user.name": {"$autocomplete": "jo"}}, questions.MEMBER_FIELDS)
    narrowing = Narrowing(questions.members(NOW).source, views._database)
    found = narrowing.narrowed(tree, {"cid": CID})
    assert isinstance(found, Elsewhere)
    assert found.few is looked_up
    views.close()


def test_a_plan_that_goes_through_everything_is_noticed(crowd: Crowd) -> None:
    sorted_by_nothing = "SELECT * FROM calls ORDER BY settings, cid LIMIT 10"
    assert any(map(whole, crowd.plan(sorted_by_nothing, ())))
    found_by_nothing = "SELECT * FROM members WHERE custom = '{}'"
    assert any(map(whole, crowd.plan(found_by_nothing, ())))
