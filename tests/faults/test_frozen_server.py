"""A server that stands still, connections and all: whoever waits for it is told so."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from tests.faults.clients import CALL, ask, begin, requests
from tests.faults.judgement import Notes, judge, wait_for
from tests.faults.sizes import sized

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


def _counted(calls: list[object], function: Callable[..., object]) -> Callable[..., object]:
    def counted(*arguments: object, **named: object) -> object:
        calls.append(named)
        return function(*arguments, **named)

    return counted
