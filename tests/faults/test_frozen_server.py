"""A server that stands still, connections and all: whoever waits for it is told so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from time import monotonic

import psycopg
import pytest
from tests.faults.clients import CALL, ask, begin, requests
from tests.faults.judgement import PATIENCE, Notes, judge, wait_for
from tests.faults.sizes import sized
from tests.faults.standing import stopped

from greenroom import Greenroom, errors
from greenroom.adapters import postgres_writing
from greenroom.adapters.postgres_server import Server
from greenroom.projections import postgres_silence
from greenroom.testing.postgres import PrivatePostgres

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_silence, "SILENCE", 1.0)
    monkeypatch.setattr(postgres_writing, "_PATIENCE", 1.0)


def test_who_asks_meanwhile_is_told_so_and_all_goes_on_when_it_does(
    tried: Callable[[str, int], None],
) -> None:
    notes, times = Notes(), sized(ci=2, large=20)
    with (
        PrivatePostgres(fsync=False) as server,
        server.database() as url,
        Greenroom.open(f"{url}?connect_timeout=2", timers=False) as room,
    ):
        begin(room)
        for number, request_id in enumerate(requests("alice", 0, times)):
            notes.ask_all(room, requests("tommaso", number * 10, 10), ask)
            with server.frozen():
                assert not notes.ask(room, request_id, ask)
                with pytest.raises(errors.StoreError):
                    room.as_user("thierry").call(*CALL).query_members()
            wait_for(room)
        judge(room, notes, ask, url=url)
    tried("postgresql", times)


def test_a_statement_that_takes_its_time_is_waited_for(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_silence, "SILENCE", 0.1)
    with Server(postgres_url).connect() as connection:
        knocks = list[object]()
        monkeypatch.setattr(psycopg, "connect", _counted(knocks, psycopg.connect))
        assert connection.execute("SELECT 1 FROM pg_sleep(2)").fetchone() == (1,)
        assert knocks


def test_one_process_of_it_that_stands_still_keeps_nobody_waiting_for_ever(
    monkeypatch: pytest.MonkeyPatch, tried: Callable[[str, int], None]
) -> None:
    """Whoever was connected to it is answered by another one, or told; it goes on in vain."""
    notes, times = Notes(), sized(ci=1, large=10)
    with PrivatePostgres(fsync=False) as server, server.database() as url:
        with Greenroom.open(url, timers=False) as room:
            begin(room)
        with monkeypatch.context() as patch:
            patch.setattr(postgres_silence, "LONGEST", 4.0)  # a server may well stall for a moment
            stop_again_and_again(url, notes, times)
        with Greenroom.open(url, timers=False) as room:
            judge(room, notes, ask, url=url)
    tried("postgresql", times)


def stop_again_and_again(url: str, notes: Notes, times: int) -> None:
    """While it stands still all that was asked for is done, and a query is answered."""
    with Greenroom.open(url, timers=False, query_limit=timedelta(seconds=5)) as room:
        for number in range(times):
            notes.ask_all(room, requests("tommaso", number * 10, 10), ask)
            answered(room)
            with stopped(url):
                notes.ask_all(room, requests("alice", number * 5, 5), ask)
                notes.settle(room, ask)
                answered(room)


def answered(room: Greenroom) -> None:
    """A query is, sooner or later; those before it are refused in our words."""
    deadline = monotonic() + PATIENCE
    while True:
        try:
            room.as_user("thierry").call(*CALL).query_members(at_least=room.position)
        except (errors.StoreError, errors.QueryTooSlow):
            assert monotonic() < deadline
        else:
            return


def _counted(calls: list[object], function: Callable[..., object]) -> Callable[..., object]:
    def counted(*arguments: object, **named: object) -> object:
        calls.append(named)
        return function(*arguments, **named)

    return counted
