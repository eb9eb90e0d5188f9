"""`greenroom audit`: keys, checkpoints, bundles, proofs, and what erasing leaves."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from greenroom import Greenroom
from greenroom.audit.archive import unpack

ORIGIN = "example.org/clinic"


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run, clinic: str) -> Path:
    """Of the clinic, with a key."""
    path = tmp_path / "ledger"
    monkeypatch.setenv("GREENROOM_LEDGER", str(path))
    assert run("audit", "key", "--origin", ORIGIN).exit_code == 0
    assert clinic.endswith("clinic.db")
    return path


def change(clinic: str, statement: str) -> None:
    with closing(sqlite3.connect(clinic.removeprefix("sqlite:///"))) as file:
        file.execute(statement)
        file.commit()


def test_a_key_is_made_once_and_shown_ever_after(run: Run, ledger: Path) -> None:
    shown = run("audit", "key")
    assert shown.stdout.startswith(f"{ORIGIN}+")
    again = run("audit", "key", "--origin", ORIGIN)
    assert again.exit_code == 2
    assert "one log has one key" in again.stderr
    told = json.loads(run("audit", "key", "--json").stdout)
    assert told == {"origin": ORIGIN, "verifier_key": shown.stdout.strip()}
    assert "PRIVATE" in (ledger / "key").read_text()
    assert "PRIVATE" not in shown.stdout


def test_without_a_ledger_it_says_how_to_make_one(run: Run, clinic: str, tmp_path: Path) -> None:
    for command in (
        ["checkpoint"],
        ["verify"],
        ["export", "default:1", "-o", str(tmp_path / "x.zip")],
        ["prove", "1"],
    ):
        result = run("audit", *command, "--ledger", str(tmp_path / "none"))
        assert result.exit_code == 3, command
        assert "greenroom audit key --origin" in result.stderr
    assert clinic
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_a_checkpoint_is_printed_and_the_same_until_something_happens(
    run: Run, ledger: Path, clinic: str, tmp_path: Path
) -> None:
    first = run("audit", "checkpoint").stdout
    assert first.startswith(f"{ORIGIN}\n")
    assert f"\n\n\N{EM DASH} {ORIGIN} " in first
    assert run("audit", "checkpoint").stdout == first
    assert run("audit", "checkpoint", "-o", str(tmp_path / "copy")).stdout == ""
    assert (tmp_path / "copy").read_text() == first
    assert (ledger / "checkpoint").read_text() == first
    with Greenroom.open(clinic, timers=False) as room:
        room.as_user("thierry").call("default", "later").create()
    told = json.loads(run("audit", "checkpoint", "--json").stdout)
    assert told["size"] > int(first.splitlines()[1])
    assert run("audit", "verify", "--checkpoint", str(tmp_path / "copy")).exit_code == 0


@pytest.mark.slow
def test_a_bundle_is_exported_and_checked(run: Run, ledger: Path, tmp_path: Path) -> None:
    path = tmp_path / "call.zip"
    made = run("audit", "export", "default:appointment-1", "-o", str(path))
    assert made.exit_code == 0, made.stderr
    assert "all records of call default:appointment-1" in made.stdout
    for arguments in ([], ["--key", run("audit", "key").stdout.strip()]):
        assert "PROVED" in run("audit", "verify", str(path), *arguments).stdout
    told = json.loads(run("audit", "verify", str(path), "--json").stdout)
    assert told["proved"]
    assert told["trusted"]
    strange = run("audit", "verify", str(path), "--ledger", str(tmp_path / "none"))
    assert "CONSISTENT, if this is the key" in strange.stdout
    run("audit", "export", "default:appointment-1", "-o", str(tmp_path / "again.zip"))
    assert (tmp_path / "again.zip").read_bytes() == path.read_bytes()
    assert "python verify.py BUNDLE --key KEY" in unpack(path.read_bytes())["report.html"].decode()
    path.write_bytes(path.read_bytes().replace(b"thierry", b"mallory"))
    broken = run("audit", "verify", str(path))
    assert broken.exit_code == 1
    assert "NOT PROVED" in broken.stdout
    assert ledger.exists()


@pytest.mark.usefixtures("ledger")
def test_a_call_that_is_none_is_shown_to_be_none(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "none.zip")
    assert (
        "there is no call default:none" in run("audit", "export", "default:none", "-o", path).stdout
    )
    assert run("audit", "verify", path).exit_code == 0
    assert run("audit", "export", "default", "-o", path).exit_code == 2


@pytest.mark.slow
@pytest.mark.usefixtures("ledger")
def test_one_record_is_proved(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "3.tlog-proof"
    assert run("audit", "prove", "3", "-o", str(path)).exit_code == 0
    assert path.read_text() == run("audit", "prove", "3").stdout
    assert "at position 3 stands" in run("audit", "verify", str(path)).stdout
    assert run("audit", "prove", "9999").exit_code == 2


@pytest.mark.slow
@pytest.mark.usefixtures("ledger")
def test_a_store_that_was_changed_is_named_and_never_signed(run: Run, clinic: str) -> None:
    run("audit", "checkpoint")
    assert "unchanged" in run("audit", "verify").stdout
    change(clinic, "UPDATE stored_events SET topic = 'call.ended' WHERE rowid = 3")
    refused = run("audit", "checkpoint")
    assert refused.exit_code == 3
    assert "log_rewritten" in refused.stderr
    found = run("audit", "verify")
    assert found.exit_code == 1
    assert "position 3 is not what it was" in found.stdout
    told = json.loads(run("audit", "verify", "--json").stdout)
    assert told["whole"] is False
    assert "position 3" in told["faults"][0]


@pytest.mark.slow
def test_residue_is_looked_for_without_saying_the_words(
    run: Run, clinic: str, tmp_path: Path
) -> None:
    words = tmp_path / "words.txt"
    words.write_text("Alice Liddell\npeanut\n")
    assert "none of 2 words" in run("audit", "residue", "--words", str(words)).stdout
    with Greenroom.open(clinic, timers=False) as room:
        room.users.upsert("alice", name="Alice Liddell")
        room.as_user("tommaso").call("default", "appointment-2").query_members()
    found = run("audit", "residue", "--words", str(words))
    assert found.exit_code == 1
    assert "word 1 stands in" in found.stdout
    assert "Liddell" not in found.stdout
    with Greenroom.open(clinic, timers=False) as room:
        room.users.erase("alice")
    assert run("audit", "residue", "--words", str(words)).exit_code == 0
    beside = run("audit", "residue", str(words), "--words", str(words), "--json")
    assert [one["number"] for one in json.loads(beside.stdout)["found"]] == [1, 2]
    assert run("audit", "residue", "--words", str(tmp_path / "missing")).exit_code == 2
