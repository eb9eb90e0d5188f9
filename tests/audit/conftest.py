"""A store with three calls in it, in a file, and a ledger beside it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from greenroom import Greenroom, Member
from greenroom.adapters.tables import open_tables
from greenroom.audit.bundles import Bundle, bundle
from greenroom.audit.ledger import Ledger, Signed
from greenroom.audit.log import Log
from greenroom.testing.clock import VirtualClock

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ORIGIN = "example.org/clinic"
VISIT, TALK, PARTY = "default:visit", "livestream:talk", "default:party"
HEALTH = "hypertension-and-a-peanut-allergy"


@dataclass
class House:
    """A store, and what is proved of it."""

    url: str
    path: Path
    ledger: Ledger

    def room(self) -> Greenroom:
        return Greenroom.open(self.url, clock=VirtualClock(NOON), timers=False)

    def checkpoint(self) -> Signed:
        with open_tables(self.url) as tables:
            return self.ledger.checkpoint(Log(tables))

    def bundle(self, cid: str, **options: object) -> Bundle:
        with open_tables(self.url) as tables:
            return bundle(self.ledger, Log(tables), cid, **options)  # type: ignore[arg-type] # as they are


@pytest.fixture
def house(_built: Path, tmp_path: Path) -> House:
    """A copy of what was built once."""
    shutil.copytree(_built, tmp_path, dirs_exist_ok=True)
    return _house(tmp_path)


@pytest.fixture(scope="session")
def standing_house(_built: Path, tmp_path_factory: pytest.TempPathFactory) -> House:
    """The same for all tests: to look at, not to change."""
    place = tmp_path_factory.mktemp("standing")
    shutil.copytree(_built, place, dirs_exist_ok=True)
    return _house(place)


@pytest.fixture(scope="session")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("house")
    house = _house(place)
    Ledger.found(place / "ledger", ORIGIN)
    with house.room() as room:
        for cid in (VISIT, TALK, PARTY):
            _fill(room, *cid.split(":"))
    house.checkpoint()
    with house.room() as room:
        room.as_user("thierry").call("default", "visit").end()
    return place


def _house(place: Path) -> House:
    path = place / "calls.db"
    return House(f"sqlite:///{path}", path, Ledger(place / "ledger"))


def _fill(room: Greenroom, kind: str, call_id: str) -> None:
    thierry = room.as_user("thierry").call(kind, call_id)
    thierry.create(
        custom={"notes": HEALTH},
        members=[Member("alice", custom={"notes": HEALTH}), Member("charlie", role="host")],
    )
    thierry.join()
    room.as_user("charlie").call(kind, call_id).join().leave()
    room.users.upsert("alice", name=HEALTH)
