"""Keys apart, on the command line; and what goes along with a copy."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from greenroom import Greenroom, Member, aio, errors
from greenroom.adapters.checking import check
from greenroom.adapters.copying import copy
from greenroom.adapters.copying_attempts import copy_attempts
from greenroom.adapters.key_store import open_keys
from greenroom.testing.postgres import PrivatePostgres
from greenroom.whatif import revoke


@dataclass(frozen=True)
class Place:
    """A store, and its keys where they are apart."""

    url: str
    keys: str

    @property
    def options(self) -> list[str]:
        return ["--keys", self.keys]


def live(url: str, keys: str | None) -> None:
    """Alice is a member and tommaso forgotten; eve was turned away twice."""
    with Greenroom.open(url, keys=keys, timers=False) as room:
        call = room.as_user("thierry").call("default", "1")
        call.create(custom={"topic": "asthma"}, members=[Member("alice", custom={"a": "peanuts"})])
        room.users.upsert("alice", name="Alice Liddell")
        room.users.upsert("tommaso", name="Tommaso")
        room.users.erase("tommaso")
        call.block("eve")
        for _ in range(2):
            with suppress(errors.Refused):
                room.as_user("eve").call("default", "1").join()


@pytest.fixture
def apart(tmp_path: Path) -> Place:
    place = Place(f"sqlite:///{tmp_path}/calls.db", f"sqlite:///{tmp_path}/keys/keys.db")
    (tmp_path / "keys").mkdir()
    live(place.url, place.keys)
    return place


def told(url: str, keys: str | None) -> tuple[object, ...]:
    with Greenroom.open(url, keys=keys, timers=False, create=False) as room:
        system = room.system("audit").call("default", "1")
        attempts = [one.code for one in system.attempts().verbatim]
        call = room.as_user("thierry").call("default", "1")
        items = call.query_members().items
        return (
            call.get().custom,
            [(one.user_id, one.custom) for one in items],
            room.users.get("alice").name,
            room.users.get("tommaso").known,
            attempts,
        )


ALL_OF_IT = ({"topic": "asthma"}, [("alice", {"a": "peanuts"})], "Alice Liddell", False)


@pytest.mark.slow
def test_commands_find_the_keys_that_are_named(
    apart: Place, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = run(*apart.options, "history", "default:1", "--store", apart.url, "--json")
    assert "peanuts" in named.stdout
    for command in (["db", "check"], ["db", "migrate"], ["db", "prune"], ["calls"]):
        assert run(*apart.options, *command, "--store", apart.url).exit_code == 0, command
    unnamed = run("calls", "--store", apart.url, "--json")
    assert unnamed.exit_code == 3
    assert json.loads(unnamed.stderr)["error"]["code"] == "keys_unavailable"
    assert "GREENROOM_KEYS" in unnamed.stderr
    monkeypatch.setenv("GREENROOM_KEYS", apart.keys)
    assert run("calls", "--store", apart.url).exit_code == 0


def test_a_check_says_which_keys_are_missing(apart: Place, run: Run) -> None:
    whole = check(apart.url, keys=apart.keys)
    assert whole.whole
    assert (whole.sealed, whole.erased) == (4, 1)
    with pytest.raises(errors.KeysUnavailable):
        check(apart.url)
    with closing(sqlite3.connect(apart.keys.removeprefix("sqlite:///"))) as file:
        file.execute("DELETE FROM greenroom_keys")
        file.commit()
    broken = run(*apart.options, "db", "check", "--store", apart.url)
    assert broken.exit_code == 1
    assert "needs a key that is gone" in broken.stdout
    status = json.loads(run("db", "status", "--store", apart.url, "--json").stdout)
    assert status["subject_keys"] == 2


@pytest.mark.slow
def test_what_if_in_several_processes_finds_the_keys(apart: Place) -> None:
    with Greenroom.open(apart.url, keys=apart.keys, timers=False) as room:
        supposed = room.what_if(revoke("default", role="user", capability="create-call"))
        assert supposed.over(processes=2) == supposed.over(processes=1)
    with (
        closing(open_keys(apart.keys)) as keys,
        Greenroom.open(apart.url, keys=keys, timers=False) as room,
    ):
        supposed = room.what_if(revoke("default", role="user", capability="create-call"))
        assert supposed.over(processes=2) == supposed.over(processes=1)


def test_tasks_name_them_too(apart: Place) -> None:
    async def asked() -> object:
        async with aio.Greenroom.open(apart.url, keys=apart.keys, timers=False) as room:
            await room.users.erase("alice")
            call = room.as_user("thierry").call("default", "1")
            return [one.custom for one in (await call.query_members()).items]

    assert asyncio.run(asked()) == [{}]
    assert told(apart.url, apart.keys)[2] == ""


@pytest.mark.slow
def test_a_copy_is_served_by_the_same_keys(apart: Place, run: Run, tmp_path: Path) -> None:
    there = f"sqlite:///{tmp_path}/there.db"
    copied = run(*apart.options, "copy", "--from", apart.url, "--to", there, "--json")
    assert copied.exit_code == 0, copied.stderr
    assert json.loads(copied.stdout)["rows"]["greenroom_attempts"] == 2
    assert told(there, apart.keys) == (*ALL_OF_IT, ["blocked", "blocked"])
    with pytest.raises(errors.KeysUnavailable):
        Greenroom.open(there)


@pytest.mark.slow
def test_a_copy_moves_keys_out_of_the_store(run: Run, tmp_path: Path) -> None:
    here, there = f"sqlite:///{tmp_path}/here.db", f"sqlite:///{tmp_path}/there.db"
    keys = f"sqlite:///{tmp_path}/keys.db"
    live(here, None)
    moved = ("copy", "--from", here, "--to", there, "--to-keys", keys)
    assert run(*moved).exit_code == 0
    assert told(there, keys) == told(here, None) == (*ALL_OF_IT, ["blocked", "blocked"])
    with closing(sqlite3.connect(tmp_path / "here.db")) as file:
        secrets = [secret for (secret,) in file.execute("SELECT secret FROM subject_keys")]
    log = b"".join(one.read_bytes() for one in tmp_path.glob("there*"))
    assert secrets
    assert not any(secret in log for secret in secrets)
    with (
        closing(open_keys(keys)) as opened,
        pytest.raises(errors.StoreError, match="apart from it already"),
    ):
        copy(there, f"sqlite:///{tmp_path}/further.db", to_keys=opened)


def test_who_is_erased_while_keys_are_moved_is_in_neither_place(tmp_path: Path) -> None:
    here, there = f"sqlite:///{tmp_path}/here.db", f"sqlite:///{tmp_path}/there.db"
    live(here, None)
    kept: list[int] = []

    def told_how_far(step: str, done: int, _of: int) -> None:
        if step == "subject_keys" and done and not kept:
            kept.append(len(numbers(tmp_path / "keys.db")))
            with Greenroom.open(here, timers=False) as room:
                room.users.erase("alice")

    with closing(open_keys(f"sqlite:///{tmp_path}/keys.db")) as keys:
        copy(here, there, told_how_far, to_keys=keys)
    assert kept == [2]
    assert len(numbers(tmp_path / "keys.db")) == 1
    assert told(there, f"sqlite:///{tmp_path}/keys.db")[2] == ""


def numbers(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as file:
        return [number for (number,) in file.execute("SELECT number FROM greenroom_keys")]


def test_attempts_copied_by_halves_are_made_whole_and_old_ones_go(tmp_path: Path) -> None:
    here, there = f"sqlite:///{tmp_path}/here.db", f"sqlite:///{tmp_path}/there.db"
    live(here, None)
    shutil.copy(tmp_path / "here.attempts.db", tmp_path / "there.attempts.db")
    with closing(sqlite3.connect(tmp_path / "there.attempts.db")) as file:
        file.execute("DELETE FROM greenroom_attempts WHERE id = 1")
        file.execute("UPDATE greenroom_attempts_counted SET count = 7")
        file.commit()
    assert copy(here, there).rows["greenroom_attempts"] == 2
    assert told(there, None)[-1] == ["blocked", "blocked"]
    assert copy_attempts(None, tmp_path / "there.attempts.db", lambda *_: None) == {
        "greenroom_attempts": 0,
        "greenroom_attempts_counted": 0,
    }
    assert told(there, None)[-1] == []


@pytest.mark.slow
def test_attempts_and_keys_go_to_a_server_and_back(
    apart: Place, run: Run, postgres_url: str, postgres: PrivatePostgres, tmp_path: Path
) -> None:
    back = f"sqlite:///{tmp_path}/back.db"
    for source, target in ((apart.url, postgres_url), (postgres_url, back)):
        copied = run(*apart.options, "copy", "--from", source, "--to", target)
        assert copied.exit_code == 0, copied.stderr
        assert told(target, apart.keys) == (*ALL_OF_IT, ["blocked", "blocked"])
    live(here := f"sqlite:///{tmp_path}/within.db", None)
    with postgres.database() as keys, postgres.database() as there:
        assert run("copy", "--from", here, "--to", there, "--to-keys", keys).exit_code == 0
        assert told(there, keys) == (*ALL_OF_IT, ["blocked", "blocked"])
        with (
            Greenroom.open(there, keys=keys, timers=False) as room,
            suppress(errors.Refused),
        ):
            room.as_user("eve").call("default", "1").join()
        assert told(there, keys)[-1] == ["blocked"] * 3
