"""Every command on a store whose keys are apart: with them, without them, and what it needs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from tests.cli.conftest import Run
from tests.cli.test_keys import live

from greenroom import Greenroom
from greenroom.testing.postgres import PrivatePostgres

CALL = "default:1"
NEED_NO_KEYS: Final[Sequence[tuple[str, ...]]] = (
    ("audit", "key"),
    ("audit", "checkpoint"),
    ("audit", "verify"),
    ("audit", "export", CALL, "-o", "call.zip"),
    ("audit", "verify", "call.zip"),
    ("audit", "prove", "3", "-o", "3.tlog-proof"),
    ("audit", "verify", "3.tlog-proof"),
    ("audit", "residue", "--words", "words.txt"),
    ("db", "status"),
)
"""Proofs are about what stands in the log, which is sealed; so is what they show."""
NEED_KEYS: Final[Sequence[tuple[str, ...]]] = (
    ("audit", "report", CALL, "-o", "call.html", "--personal"),
    ("audit", "stats"),
    ("history", CALL),
    ("attendance", CALL),
    ("explain", CALL, "join", "-u", "alice"),
    ("attempts", CALL),
    ("calls",),
    ("members", CALL),
    ("what-if", "--revoke", "default:user:join-call"),
    ("rebuild",),
    ("past", "keep"),
    ("projections",),
    ("db", "check"),
    ("db", "migrate"),
    ("db", "prune"),
)


@dataclass(frozen=True)
class Apart:
    """A store with its keys in another place, a ledger, and a folder to write to."""

    url: str
    keys: str
    folder: Path


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def apart(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Apart]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GREENROOM_LEDGER", str(tmp_path / "ledger"))
    (tmp_path / "words.txt").write_text("wort-das-keiner-sagt\n")
    if request.param == "sqlite":
        (tmp_path / "keys").mkdir()
        place = Apart(f"sqlite:///{tmp_path}/calls.db", f"sqlite:///{tmp_path}/keys/k.db", tmp_path)
        live(place.url, place.keys)
        monkeypatch.setenv("GREENROOM_STORE", place.url)
        yield place
        return
    server: PrivatePostgres = request.getfixturevalue("postgres")
    with server.database() as url, server.database() as keys:
        live(url, keys)
        monkeypatch.setenv("GREENROOM_STORE", url)
        yield Apart(url, keys, tmp_path)


@pytest.mark.slow
def test_whatever_is_asked_works_with_the_keys_and_proofs_without_them(
    apart: Apart, run: Run
) -> None:
    with_keys = ("--keys", apart.keys)
    assert run("audit", "key", "--origin", "example.org/clinic").exit_code == 0
    for named in ((), with_keys):
        for command in NEED_NO_KEYS:
            answer = run(*named, *command)
            assert answer.exit_code == 0, (named, command, answer.output)
    for command in NEED_KEYS:
        refused = run(*command)
        assert refused.exit_code == 3, (command, refused.output)
        assert "keys_unavailable" in refused.stderr, command
        said = f"--keys URL {command[0]}"
        assert said in " ".join(refused.stderr.split()), command
        answer = run(*with_keys, *command)
        assert answer.exit_code == 0, (command, answer.output)
    page = (apart.folder / "call.html").read_text()
    assert "peanuts" in page
    assert "records of example.org/clinic" in page, "what the ledger proves"


@pytest.mark.slow
def test_proofs_from_before_an_erasure_hold_and_tell_nothing(apart: Apart, run: Run) -> None:
    assert run("audit", "key", "--origin", "example.org/clinic").exit_code == 0
    for command in (
        ("checkpoint", "-o", "before.checkpoint"),
        ("export", CALL, "-o", "before.zip"),
        ("prove", "4", "-o", "before.tlog-proof"),
    ):
        assert run("audit", *command).exit_code == 0
    with Greenroom.open(apart.url, keys=apart.keys, timers=False) as room:
        room.users.erase("alice")
        room.system("clinic").call("default", "1").delete(hard=True)
    assert run("audit", "checkpoint").exit_code == 0
    assert run("audit", "verify", "--checkpoint", "before.checkpoint").exit_code == 0
    for kept in ("before.zip", "before.tlog-proof"):
        assert run("audit", "verify", kept).exit_code == 0
    words = apart.folder / "words.txt"
    words.write_text("peanuts\nasthma\nAlice Liddell\n")
    places: tuple[str, ...] = ("before.zip", "before.checkpoint", "before.tlog-proof", "ledger")
    if apart.url.startswith("sqlite"):
        places = (*places, "keys")
    assert run("audit", "residue", *places, "--words", str(words)).exit_code == 0
    told = run("--keys", apart.keys, "history", CALL, "--json")
    assert "peanuts" not in told.stdout


@pytest.mark.slow
def test_a_copy_needs_the_keys_in_the_end(apart: Apart, run: Run, tmp_path: Path) -> None:
    there = f"sqlite:///{tmp_path}/there.db"
    whole = ("copy", "--from", apart.url, "--to", there)
    refused = run(*whole)
    assert refused.exit_code == 3
    assert "--keys URL copy" in " ".join(refused.stderr.split())
    assert run("--keys", apart.keys, *whole).exit_code == 0
    named = run("--keys", apart.keys, "members", CALL, "--store", there, "--json")
    assert json.loads(named.stdout)["items"][0]["custom"] == {"a": "peanuts"}


def test_keys_named_too_late_are_shown_their_place(apart: Apart, run: Run) -> None:
    late = run("history", CALL, "--keys", apart.keys, "--json")
    assert late.exit_code == 2
    assert "It comes first" in late.stderr
    assert "--keys URL history ..." in late.stderr
