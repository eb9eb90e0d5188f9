"""A bundle shows what it should to somebody who has nothing but it and the key."""

from __future__ import annotations

import ast
import io
import json
import os
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.audit.conftest import HEALTH, PARTY, TALK, VISIT, House

from greenroom.adapters.tables import open_tables
from greenroom.audit.archive import pack, unpack
from greenroom.audit.bundles import record_proof
from greenroom.audit.keys import SigningKey
from greenroom.audit.log import Log
from greenroom.audit.notes import VerifierKey
from greenroom.audit.proof_json import PROOF
from greenroom.audit.record_proof import proved_record
from greenroom.audit.single_file import single_file
from greenroom.audit.trees import Unproven
from greenroom.audit.verifier import (
    CHECKPOINT,
    RECORDS,
    Verdict,
    main,
    verdict,
)
from greenroom.domain.errors import InvalidInput, LogRewritten


@pytest.fixture(scope="module")
def visit(standing_house: House) -> Mapping[str, bytes]:
    return unpack(standing_house.bundle(VISIT).archive)


@pytest.fixture(scope="module")
def key(standing_house: House) -> VerifierKey:
    return standing_house.ledger.verifier


def shown(files: Mapping[str, bytes], key: VerifierKey, **changed: bytes) -> Verdict:
    named = {name.replace("__", "."): data for name, data in changed.items()}
    return verdict({**files, **named}, key)


def test_it_holds_every_record_of_the_call_and_of_its_type(
    standing_house: House, visit: Mapping[str, bytes], key: VerifierKey
) -> None:
    found = verdict(visit, key)
    with standing_house.room() as room:
        history = room.system("auditor").call("default", "visit").history()
    of_call = [one for one in found.records if not one.stream.startswith("type-")]
    assert [(one.stream, one.version, one.name) for one in of_call] == [
        (event.stream, event.version, event.name) for event in history
    ]
    assert found.lengths == {f"call-{VISIT}": len(history), "type-default": 1}
    assert found.trusted
    assert str(found).startswith("PROVED")


def test_it_shows_that_the_log_kept_to_the_checkpoint_before(
    visit: Mapping[str, bytes], standing_house: House, key: VerifierKey
) -> None:
    first = standing_house.ledger.signed()[0]
    assert [one.size for one in verdict(visit, key, [first.note]).earlier] == [
        first.checkpoint.size
    ]


def test_a_call_that_never_was_is_shown_not_to_be(house: House) -> None:
    made = house.bundle("default:nobody")
    found = verdict(unpack(made.archive), house.ledger.verifier)
    assert found.lengths["call-default:nobody"] == 0
    assert "there is no call default:nobody" in str(found)


def test_it_is_the_same_to_the_byte_until_something_happens(house: House) -> None:
    first = house.bundle(TALK).archive
    assert house.bundle(TALK).archive == first
    with house.room() as room:
        room.as_user("thierry").call("default", "later").create()
    assert house.bundle(TALK).archive != first


def test_nothing_personal_can_be_read_in_it(house: House) -> None:
    files = unpack(house.bundle(VISIT).archive)
    assert all(HEALTH.encode() not in data for data in files.values())
    assert b"personal data, sealed" in files["report.txt"]


def test_every_tool_opens_it(visit: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(pack(visit))) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == visit
    lines = visit[RECORDS].splitlines()
    assert [json.loads(line)["version"] for line in lines][:2] == [1, 1]


def test_the_first_bad_record_is_named(visit: Mapping[str, bytes], key: VerifierKey) -> None:
    lines = visit[RECORDS].splitlines(keepends=True)
    lines[3] = lines[3].replace(b"thierry", b"mallory")
    lines[5] = lines[5].replace(b"at", b"by")
    position = json.loads(lines[3])["position"]
    with pytest.raises(Unproven, match=rf"record 4 is not what it was: .* position {position},"):
        shown(visit, key, records__jsonl=b"".join(lines))


def test_a_record_left_out_is_named(visit: Mapping[str, bytes], key: VerifierKey) -> None:
    lines = visit[RECORDS].splitlines(keepends=True)
    proof = json.loads(visit[PROOF])
    without = [line for number, line in enumerate(lines) if number != 2]
    del proof["leaves"][2]
    with pytest.raises(Unproven, match=r"missing before record|places|do not lead"):
        shown(visit, key, records__jsonl=b"".join(without), proof__json=json.dumps(proof).encode())
    with pytest.raises(Unproven, match="record 3 is not what it was"):
        shown(visit, key, records__jsonl=b"".join(without))


def test_a_whole_bundle_of_somebody_else_is_not_believed(
    visit: Mapping[str, bytes], key: VerifierKey
) -> None:
    """Made with another key it is consistent, and says whose key to compare."""
    other = SigningKey.new(key.name)
    text = visit[CHECKPOINT].decode().partition("\n\n")[0] + "\n"
    with pytest.raises(Unproven, match="has not signed"):
        shown(visit, key, checkpoint=other.signed(text))
    with pytest.raises(Unproven, match="has not signed"):
        verdict(visit, other.verifier)
    said = str(verdict(visit))
    assert said.startswith("CONSISTENT, if this is the key")
    assert str(key) in said


@pytest.mark.slow
def test_a_checkpoint_that_was_kept_must_be_one_of_those_shown(
    house: House, key: VerifierKey
) -> None:
    first = house.ledger.signed()[0].note
    house.checkpoint()
    with house.room() as room:
        room.as_user("thierry").call("default", "later").create()
    house.checkpoint()
    plain = unpack(house.bundle(PARTY).archive)
    with pytest.raises(Unproven, match="does not show that the log still begins"):
        verdict(plain, key, [first])
    asked = unpack(house.bundle(PARTY, extends=[first]).archive)
    assert len(verdict(asked, key, [first]).earlier) == 2
    with pytest.raises(InvalidInput):
        house.bundle(PARTY, extends=[b"nothing"])


def test_a_ledger_that_told_two_stories_is_found_out(house: House, tmp_path: Path) -> None:
    """Whoever holds the key begins anew, with another past: a kept checkpoint shows it."""
    kept = house.checkpoint().note
    for name in ("checkpoints", "tile"):
        (house.ledger.directory / name).rename(tmp_path / name)
    for file in house.path.parent.glob("calls.*"):
        file.unlink()
    with house.room() as room:
        room.as_user("mallory").call("default", "visit").create()
    made = unpack(house.bundle(VISIT).archive)
    assert str(verdict(made, house.ledger.verifier)).startswith("PROVED")
    with pytest.raises(Unproven):
        verdict(made, house.ledger.verifier, [kept])
    with pytest.raises(LogRewritten):
        house.bundle(VISIT, extends=[kept])


def test_a_log_that_was_changed_is_not_exported(house: House) -> None:
    house.checkpoint()
    with closing(sqlite3.connect(house.path)) as file:
        file.execute("DELETE FROM stored_events WHERE originator_id LIKE 'member-%'")
        file.commit()
    with pytest.raises(LogRewritten):
        house.bundle(VISIT)


@pytest.mark.slow
def test_the_program_in_it_says_the_same_without_greenroom(house: House, tmp_path: Path) -> None:
    made = house.bundle(VISIT)
    path, program = tmp_path / "call.zip", tmp_path / "verify.py"
    path.write_bytes(made.archive)
    program.write_bytes(unpack(made.archive)["verify.py"])
    with zipfile.ZipFile(path) as opened:
        opened.extractall(tmp_path / "call")
    verifier = str(house.ledger.verifier)

    def says(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(program), *arguments],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONUTF8": "0", "LC_ALL": "C"},
            cwd=tmp_path,
        )
        assert done.stderr == ""
        return done.returncode, done.stdout.strip()

    assert says("call.zip", "--key", verifier) == (0, str(made.shown))
    assert says("call", "--key", verifier) == (0, str(made.shown))
    assert says("call.zip", "--key", "nonsense")[0] == 1
    assert says("missing.zip")[1].startswith("NOT PROVED: missing.zip cannot be read")
    (tmp_path / "call" / "report.txt").write_text("nothing happened")
    assert says("call") == (1, "NOT PROVED: a file of the bundle is not what it was: report.txt.")
    path.write_bytes(made.archive[:-1])
    assert says("call.zip")[0] == 1


def test_the_program_needs_the_standard_library_alone() -> None:
    tree = ast.parse(single_file())
    roots = {
        (getattr(node, "module", None) or node.names[0].name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert roots <= sys.stdlib_module_names
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    names += [
        target.id
        for node in tree.body
        if isinstance(node, ast.AnnAssign | ast.Assign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    ]
    assert len(set(names)) == len(names)


@given(st.binary(max_size=300))
@example(b"PK\x03\x04" + bytes(300))
@example(b"c2sp.org/tlog-proof@v1\n")
def test_anything_else_is_not_proved_and_never_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "bundle"
    path.write_bytes(data)
    assert main([str(path)]) == 1


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.data())
def test_whatever_the_proof_says_it_is_judged(
    visit: Mapping[str, bytes], key: VerifierKey, data: st.DataObject
) -> None:
    """Any part of it replaced by anything: refused with a reason, nothing else."""
    proof = json.loads(visit[PROOF])
    where: Any = proof
    while True:
        at = data.draw(
            st.sampled_from(sorted(where))
            if isinstance(where, dict)
            else st.integers(0, len(where) - 1)
        )
        inner = where[at]
        if not inner or not isinstance(inner, dict | list) or data.draw(st.booleans()):
            break
        where = inner
    new = data.draw(junk)
    where[at] = new
    changed = json.dumps(proof, indent=1, sort_keys=True).encode() + b"\n"
    if changed != visit[PROOF]:
        with pytest.raises(Unproven):
            shown(visit, key, proof__json=changed)


@given(st.data())
def test_whatever_the_records_say_they_are_judged(
    visit: Mapping[str, bytes], key: VerifierKey, data: st.DataObject
) -> None:
    lines = visit[RECORDS].splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at] = data.draw(st.binary(max_size=80) | junk.map(lambda one: json.dumps(one).encode()))
    with pytest.raises(Unproven):
        shown(visit, key, records__jsonl=b"".join(line + b"\n" for line in lines))


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.binary(max_size=50), max_size=5))
def test_an_archive_is_read_as_it_was_packed(files: dict[str, bytes]) -> None:
    try:
        packed = pack(files)
    except UnicodeEncodeError:
        return
    assert unpack(packed) == files


@pytest.mark.slow
def test_the_proof_of_one_record_is_checked_alone(house: House, tmp_path: Path) -> None:
    with open_tables(house.url) as tables:
        proof = record_proof(house.ledger, Log(tables), 5)
        with pytest.raises(InvalidInput):
            record_proof(house.ledger, Log(tables), 0)
    one, checkpoint = proved_record(proof, house.ledger.verifier)
    assert one.position == 5
    assert checkpoint == house.checkpoint().checkpoint
    path = tmp_path / "5.tlog-proof"
    path.write_bytes(proof)
    assert main([str(path), "--key", str(house.ledger.verifier)]) == 0
    for at in range(0, len(proof), 41):
        bent = proof[:at] + bytes([proof[at] ^ 1]) + proof[at + 1 :]
        with pytest.raises(Unproven):
            proved_record(bent, house.ledger.verifier)
