"""Keys that leave their store with a copy of it: who is erased on the way is erased there, too."""

from __future__ import annotations

import multiprocessing
import shutil
import signal
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.adapters.copier_of_keys import copy_and_die, copy_in_steps
from tests.adapters.dying_keys import Steps
from tests.audit.everything import everything, holding, tables

from greenroom import Greenroom, Member
from greenroom.adapters import copying
from greenroom.adapters.copying import copy
from greenroom.adapters.key_store import open_keys
from greenroom.adapters.keyring import BOUND
from greenroom.adapters.stores import open_store
from greenroom.domain.errors import NotOurStore
from greenroom.domain.message import UserId
from greenroom.domain.streams import user_stream
from greenroom.domain.user import UserUpserted
from greenroom.testing.postgres import PrivatePostgres

ALICE = user_stream(UserId("alice"))
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.adapters.copier_of_keys"])


@dataclass(frozen=True)
class Move:
    """A store with its keys within, and where it goes, with its keys apart."""

    folder: Path
    target: str
    keys: str

    @classmethod
    def of(cls, lived: Path, folder: Path) -> Move:
        folder.mkdir()
        shutil.copy(lived, folder)
        return cls(folder, f"sqlite:///{folder}/there.db", f"sqlite:///{folder}/keys.db")

    @property
    def source(self) -> str:
        return f"sqlite:///{self.folder}/here.db"

    @property
    def servers(self) -> list[str]:
        return [one for one in (self.target, self.keys) if one.startswith("postgresql")]

    def alices_secret(self) -> str:
        with closing(open_store(self.source)) as store:
            (key,) = store.recorder.keys([ALICE])
            assert key is not None
            return key.secret.decode("latin-1")

    def erased_and_gone_on_with(self, word: str) -> None:
        """Alice is erased here, the copy finished: then she is nowhere, and all others are."""
        with Greenroom.open(self.source, timers=False) as room:
            room.users.erase("alice")
        self.copy()
        (where,) = holding({"secret": word}, everything(self.folder, self.servers)).values()
        assert where == set()
        with closing(open_store(self.target, create=False, keys=self.keys)) as store:
            assert self.names(store, "alice") == [""]
            assert self.names(store, "tommaso") == ["Tommaso"]
            subjects = [one for one in store.recorder.subjects("", "~", 100) if one != BOUND]
            in_force = {key.key_id for key in store.recorder.keys(subjects) if key is not None}
            with closing(open_keys(self.keys)) as keys:
                assert keys.find(in_force).keys() == in_force
        rows = {name: len(rows) for name, rows in tables(self.folder, self.servers).items()}
        assert [rows[name] for name in rows if name.endswith("greenroom_keys")] == [len(in_force)]
        assert not [name for name in rows if "copy_" in name], "what the copy noted is gone"

    def copy(self) -> None:
        with closing(open_keys(self.keys)) as keys:
            copy(self.source, self.target, to_keys=keys)

    @staticmethod
    def names(store: object, who: str) -> list[str]:
        events = store.events(user_stream(UserId(who)))  # type: ignore[attr-defined]  # a store
        return [event.display_name for event in events if isinstance(event, UserUpserted)]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that every test gets a copy of."""
    path = tmp_path_factory.mktemp("lived") / "here.db"
    with Greenroom.open(f"sqlite:///{path}", timers=False) as room:
        call = room.as_user("thierry").call("default", "1")
        call.create(members=[Member("alice", custom={"allergy": "peanuts"})])
        for name in ("alice", "charlie", "jaewoong", "tommaso"):
            room.users.upsert(name, name=name.title())
    return path


class Crash(BaseException):
    """The process ends here."""


def crash() -> None:
    raise Crash


def ends_at(move: Move, last: int) -> bool:
    """Copy up to that step; whether it ended there, and not by itself before."""
    try:
        copy_in_steps(move.source, move.target, move.keys, Steps(last, crash))
    except Crash:
        return True
    return False


@pytest.mark.parametrize("every", [11, pytest.param(4, marks=pytest.mark.slow)])
def test_who_is_erased_after_a_crash_is_in_neither_place_when_it_is_gone_on_with(
    lived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    monkeypatch.setattr(copying, "PAGE", 2)
    came = []
    for last in range(every, 500, every):
        move = Move.of(lived, tmp_path / str(last))
        secret = move.alices_secret()
        if not ends_at(move, last):
            break
        (where,) = holding({"secret": secret}, everything(move.folder, [])).values()
        came.append(any("keys.db" in one for one in where))
        move.erased_and_gone_on_with(secret)
    assert came == sorted(came)
    assert {*came} == {False, True}, "hers was in the other place by then, or not yet"


@pytest.mark.slow
def test_who_is_erased_after_a_kill_is_in_neither_database(
    lived: Path, tmp_path: Path, postgres: PrivatePostgres
) -> None:
    killed = 0
    for last in range(6, 500, 18):
        folder = tmp_path / str(last)
        folder.mkdir()
        shutil.copy(lived, folder)
        with postgres.database() as target, postgres.database() as keys:
            move = Move(folder, target, keys)
            secret = move.alices_secret()
            arguments = (move.source, target, keys, last)
            process = PROCESSES.Process(target=copy_and_die, args=arguments)
            process.start()
            process.join(120)
            if process.exitcode == 0:
                break
            assert process.exitcode == -signal.SIGKILL
            killed += 1
            move.erased_and_gone_on_with(secret)
    assert killed >= 3


def test_a_copy_is_gone_on_with_to_the_keys_it_was_begun_with(lived: Path, tmp_path: Path) -> None:
    move = Move.of(lived, tmp_path / "move")
    assert ends_at(move, 9)
    with pytest.raises(NotOurStore, match="keys go elsewhere"):
        copy(move.source, move.target)
    with (
        closing(open_keys(f"sqlite:///{tmp_path}/other.db")) as other,
        pytest.raises(NotOurStore, match="keys go elsewhere"),
    ):
        copy(move.source, move.target, to_keys=other)
    move.copy()
