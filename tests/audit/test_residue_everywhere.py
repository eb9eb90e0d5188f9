"""What people said is told everywhere it can be told; after an erasure it is nowhere.

Where to look is not listed here: every file of the folder, every table there is, and what a
server notes of their columns. A table that the story leaves empty has to be told of in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
import pytest
from tests.audit.conftest import NOON, ORIGIN
from tests.audit.everything import everything, holding, tables
from tests.engine.test_media_erasing import FilingMedia

from greenroom import Greenroom, Member, errors, snapshots
from greenroom.adapters.stores import open_store
from greenroom.adapters.tables import open_tables
from greenroom.audit.archive import unpack
from greenroom.audit.bundles import bundle
from greenroom.audit.checking import check
from greenroom.audit.ledger import Ledger
from greenroom.audit.log import Log
from greenroom.audit.residue import residue
from greenroom.audit.verifier import verdict
from greenroom.domain.message import CallId, Event, Recorded
from greenroom.domain.ports import Notification
from greenroom.projections.members import Members
from greenroom.testing.clock import VirtualClock
from greenroom.testing.postgres import PrivatePostgres

CID: Final = "clinic:visit"
ALICES: Final = {
    "name": "Wort-vom-Namen",
    "old name": "Wort-des-alten-Namens",
    "custom": "wort-von-ihr",
    "member": "wort-des-mitglieds",
    "declared": "wort-im-index",
    "rejection": "wort-der-absage",
    "parked": "wort-das-keiner-nahm",
    "half made": "wort-im-halben",
    "recording": "wort-auf-band",
}
"""Words of alice's and about her."""
SEALED_ALONE: Final = {"rejection"}
"""Of these there is no plain copy at any time."""
CALLS: Final = {
    "call": "wort-des-termins",
    "changed": "wort-der-aenderung",
    "declared of call": "wort-im-anderen-index",
}
"""Words about the call."""
NO_ROWS: Final = frozenset({"append_turn", "greenroom_media_workers", "greenroom_media_leases"})
"""Tables that are a lock, or have rows while media runs alone: of processes and calls."""


@dataclass
class Place:
    """Where a store is, with all that stands beside it."""

    folder: Path
    url: str
    keys: str | None

    @property
    def servers(self) -> list[str]:
        return [one for one in (self.url, self.keys) if one and one.startswith("postgresql")]

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.folder / "ledger")

    @contextmanager
    def room(self, media: FilingMedia | None = None) -> Iterator[Greenroom]:
        clock = VirtualClock(NOON)
        with Greenroom.open(
            self.url, keys=self.keys, clock=clock, notifier=Failing(), media=media
        ) as room:
            yield room

    def where(self, words: dict[str, str]) -> dict[str, set[str]]:
        return holding(words, everything(self.folder, self.servers))

    def secrets(self) -> dict[str, str]:
        """What alice's and the call's fields are sealed with: as bytes, and as digits."""
        with closing(open_store(self.url, keys=self.keys)) as store:
            subjects = {"alice": "user-alice", CID: f"call-{CID}"}
            found = store._keys.find([*subjects.values()])
            told: dict[str, str] = {}
            for whose, key in zip(subjects, found, strict=True):
                assert key is not None
                told[f"key of {whose}"] = key.secret.decode("latin-1")
        return told

    def tells(self, what: str) -> bool:
        """Whether a record of the call can be read that says it."""
        with self.room() as room:
            told = room.system("clinic").call("clinic", "visit").history()
            return any(ALICES[what] in str(one.event) for one in told)

    def residue(self) -> set[str]:
        """What the command for it finds."""
        said = {**ALICES, **CALLS}
        return {[*said][one.number - 1] for one in residue([*said.values()], self.url)}

    def empty_tables(self) -> set[str]:
        told = tables(self.folder, self.servers).items()
        filled = {name.rpartition(".")[2] for name, rows in told if rows}
        return {name.rpartition(".")[2] for name, _ in told} - filled

    def given_away(self, name: str, extends: Sequence[bytes] = ()) -> bytes:
        """A bundle of the call; what is in it is there for all to see."""
        with open_tables(self.url) as found:
            made = bundle(self.ledger, Log(found), CID, extends=extends).archive
        for file, data in unpack(made).items():
            path = self.folder / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return made

    def checkpoint(self) -> bytes:
        with open_tables(self.url) as found:
            return self.ledger.checkpoint(Log(found)).note

    def is_proved(self, kept: list[bytes]) -> bool:
        with open_tables(self.url) as found:
            return check(Log(found), self.ledger, kept).whole


class Failing:
    """Cannot be reached, and says whom it could not tell what."""

    def notify(self, notification: Notification) -> None:
        raise ConnectionError(f"not told: {notification.title}")


@pytest.fixture(
    params=[
        ("sqlite", "within"),
        pytest.param(("sqlite", "apart"), marks=pytest.mark.slow),
        pytest.param(("postgresql", "within"), marks=pytest.mark.slow),
        pytest.param(("postgresql", "apart"), marks=pytest.mark.slow),
    ],
    ids="-".join,
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    kind, keys = request.param
    Ledger.found(tmp_path / "ledger", ORIGIN)
    if kind == "sqlite":
        apart = f"sqlite:///{tmp_path}/calls.keys.db"
        yield Place(tmp_path, f"sqlite:///{tmp_path}/calls.db", apart if keys == "apart" else None)
        return
    server: PrivatePostgres = request.getfixturevalue("postgres")
    with server.database() as url, server.database() as other:
        yield Place(tmp_path, url, other if keys == "apart" else None)


class Interrupted(BaseException):
    """Somebody pressed Ctrl-C."""


def interrupt(*_: object) -> None:
    raise Interrupted


def live(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every word be said, and everything be kept that can be."""
    media = FilingMedia(place.folder / "recordings")
    monkeypatch.setattr(snapshots, "LONG", 4)
    with place.room(media) as room:
        room.keep_past()
        tell(room)
        record(room, media)
        refuse(room)
        park(room, monkeypatch)
        room.as_user("thierry").query_calls()
        with suppress(Interrupted):  # which leaves views that are half made
            room.rebuild(interrupt)
    with place.room() as room:  # which has long streams to read
        room.users.get("alice")
        room.system("clinic").call("clinic", "visit").get()
    for url in place.servers:
        with psycopg.connect(url, autocommit=True) as server:
            server.execute("ANALYZE")  # as the server does by itself, before long


def tell(room: Greenroom) -> None:
    room.call_types.create(
        "clinic",
        indexed_custom={"members": {"color": "string"}, "calls": {"topic": "string"}},
        settings={
            "notification_settings": {"call_ring": {"title": "${user.name} ${call.custom.note}"}}
        },
    )
    for name in (ALICES["old name"], ALICES["name"]):
        for number in range(3):
            about = {"says": ALICES["custom"], "number": number}
            room.users.upsert("alice", name=name, custom=about, request_id=f"{name[-4:]}{number}")
    call = room.as_user("thierry").call("clinic", "visit")
    custom = {"note": CALLS["call"], "topic": CALLS["declared of call"]}
    said = {"says": ALICES["member"], "color": ALICES["declared"]}
    call.create(custom=custom, members=[Member("alice", custom=said), Member("charlie")])
    call.block("eve")
    for number in range(5):
        call.update(custom={"more": f"{CALLS['changed']}-{number}"}, request_id=f"update-{number}")
        call.update_members([Member("alice", custom={"number": number})])
    alice = room.as_user("alice").call("clinic", "visit")
    alice.ring(["charlie"])
    call.ring(["alice"])
    alice.reject(ALICES["rejection"], request_id="reject")
    room.system("clinic").call("clinic", "visit").get(request_id="get")


def record(room: Greenroom, media: FilingMedia) -> None:
    room.as_user("alice").call("clinic", "visit").join()
    room.system("clinic").call("clinic", "visit").start_recording()
    (going,) = (one for one in media.recordings() if one.cid == CallId(CID))
    path = media.file(going, "alice")
    path.write_text(ALICES["recording"])


def refuse(room: Greenroom) -> None:
    with suppress(errors.Refused):
        room.as_user("alice").call("clinic", "visit").delete()
    with suppress(errors.Refused):
        room.as_user("eve").call("clinic", "visit").update(custom={"note": "no"})
    assert room.system("clinic").call("clinic", "visit").attempts().total == 2


def park(room: Greenroom, monkeypatch: pytest.MonkeyPatch) -> None:
    """A projection fails, and says on what."""
    room.as_user("thierry").query_calls()
    other = room.as_user("thierry").call("clinic", "other")
    other.create(members=[Member("alice", custom={"says": ALICES["half made"]})])

    def failing(_: object, recorded: Recorded[Event], rows: object) -> None:
        del rows
        raise ValueError(f"cannot take {recorded.event}")

    with monkeypatch.context() as patch:
        patch.setattr(Members, "apply", failing)
        third = room.as_user("thierry").call("clinic", "third")
        third.create(members=[Member("alice", custom={"says": ALICES["parked"]})])
        room.as_user("thierry").query_calls()
    assert ALICES["parked"] in room.parked()[0].error


def erase_alice(place: Place) -> None:
    with place.room(FilingMedia(place.folder / "recordings")) as room:
        room.users.erase("alice", request_id="erase-alice")


def delete_calls(place: Place) -> None:
    with place.room(FilingMedia(place.folder / "recordings")) as room:
        for name in ("visit", "other", "third"):
            room.system("clinic").call("clinic", name).delete(hard=True)


def test_what_was_said_is_everywhere_and_then_nowhere(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(place, monkeypatch)
    assert place.empty_tables() <= NO_ROWS
    kept, given = [place.checkpoint()], place.given_away("before")
    secrets = place.secrets()
    said = {**ALICES, **CALLS, **secrets}
    before = place.where(said)
    assert {what for what, where in before.items() if not where} == SEALED_ALONE
    assert place.tells("rejection")
    assert place.residue() == said.keys() - secrets.keys() - SEALED_ALONE - {"recording"}

    erase_alice(place)
    kept.append(place.checkpoint())
    hers = {what: word for what, word in said.items() if what not in {*CALLS, f"key of {CID}"}}
    assert found(place.where(hers)) == {}
    assert not place.tells("rejection")
    assert place.residue() == CALLS.keys(), "nobody has erased the call"

    delete_calls(place)
    assert found(place.where(said)) == {}
    assert place.residue() == set()
    assert place.is_proved(kept)
    verdict(unpack(given), place.ledger.verifier)
    verdict(unpack(place.given_away("after", extends=kept)), place.ledger.verifier, kept)
    assert found(place.where(said)) == {}


def found(where: dict[str, set[str]]) -> dict[str, set[str]]:
    return {what: places for what, places in where.items() if places}


def test_nothing_has_to_be_listed_to_be_looked_into(place: Place) -> None:
    """A table and a file that nobody has thought of."""
    with place.room():
        pass
    word = "wort-das-keiner-kennt"
    if place.servers:
        with psycopg.connect(place.servers[-1], autocommit=True) as server:
            server.execute("CREATE SCHEMA greenroom_later CREATE TABLE thoughts (said text)")
            server.execute("INSERT INTO greenroom_later.thoughts VALUES (%s)", [word])
    else:
        later = place.folder / "calls.later.db-made" / "thoughts.db"
        later.parent.mkdir()
        with closing(sqlite3.connect(later)) as file:
            file.execute("CREATE TABLE thoughts (said TEXT)")
            file.execute("INSERT INTO thoughts VALUES (?)", (word,))
            file.commit()
        assert len(residue([word], place.url)) == 1
    (where,) = place.where({"word": word}).values()
    assert any("thoughts" in one for one in where)
