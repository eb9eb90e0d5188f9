"""What somebody may do to a bundle or to a store, drawn by lot."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

from greenroom.audit.archive import pack, unpack
from greenroom.audit.keys import SigningKey
from greenroom.audit.notes import Checkpoint, to_base64
from greenroom.audit.proof_json import PROOF
from greenroom.audit.trees import leaf_hash
from greenroom.audit.verifier import (
    CHECKPOINT,
    EARLIER,
    KEY,
    MANIFEST,
    RECORDS,
    manifest_text,
)

Files = dict[str, bytes]


def mutated_bundle(archive: bytes, lots: Random) -> tuple[str, bytes]:
    """(what was done, the bundle then), which is never the bundle as it was."""
    while True:
        if lots.random() < len(_OF_BYTES) / (len(_OF_BYTES) + len(_OF_FILES)):
            bend = lots.choice(_OF_BYTES)
            done, result = bend.__name__, bend(archive, lots)
        else:
            forge, files = lots.choice(_OF_FILES), unpack(archive)
            forge(files, lots)
            _signed_by_somebody_else(files, lots)
            done, result = forge.__name__, pack(files)
        if result != archive:
            return done, result


def mutated_store(path: Path, lots: Random) -> str:
    """What was done to the records in the file, which are never as they were."""
    with closing(sqlite3.connect(path)) as file:
        before = file.execute(_ALL).fetchall()
        while True:
            mutation = lots.choice(_OF_ROWS)
            mutation(file, lots)
            file.commit()
            if file.execute(_ALL).fetchall() != before:
                return mutation.__name__


def flip_a_bit(data: bytes, lots: Random) -> bytes:
    bent = bytearray(data)
    bent[lots.randrange(len(bent))] ^= 1 << lots.randrange(8)
    return bytes(bent)


def delete_some_bytes(data: bytes, lots: Random) -> bytes:
    at = lots.randrange(len(data))
    return data[:at] + data[at + lots.randint(1, 40) :]


def insert_some_bytes(data: bytes, lots: Random) -> bytes:
    at = lots.randint(0, len(data))
    return data[:at] + lots.randbytes(lots.randint(1, 40)) + data[at:]


def swap_some_bytes(data: bytes, lots: Random) -> bytes:
    a, b, c = sorted(lots.randint(0, len(data)) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def truncate(data: bytes, lots: Random) -> bytes:
    return data[: lots.randrange(len(data))]


_OF_BYTES: list[Callable[[bytes, Random], bytes]] = [
    flip_a_bit,
    delete_some_bytes,
    insert_some_bytes,
    swap_some_bytes,
    truncate,
]


def bend_a_file(files: Files, lots: Random) -> None:
    name = lots.choice([name for name in sorted(files) if files[name]])
    files[name] = lots.choice(_OF_BYTES)(files[name], lots)


def drop_a_file(files: Files, lots: Random) -> None:
    del files[lots.choice(sorted(files))]


def add_a_file(files: Files, lots: Random) -> None:
    files[f"more-{lots.randrange(99)}.txt"] = lots.randbytes(8)


def swap_two_files(files: Files, lots: Random) -> None:
    one, other = lots.sample(sorted(files), 2)
    files[one], files[other] = files[other], files[one]


def leave_a_record_out(files: Files, lots: Random) -> None:
    lines = files[RECORDS].splitlines(keepends=True)
    del lines[lots.randrange(len(lines))]
    _forged(files, lines)


def leave_the_last_records_out(files: Files, lots: Random) -> None:
    lines = files[RECORDS].splitlines(keepends=True)
    _forged(files, lines[: lots.randrange(len(lines))])


def repeat_a_record(files: Files, lots: Random) -> None:
    lines = files[RECORDS].splitlines(keepends=True)
    lines.insert(lots.randint(0, len(lines)), lots.choice(lines))
    _forged(files, lines)


def swap_two_records(files: Files, lots: Random) -> None:
    lines = files[RECORDS].splitlines(keepends=True)
    one, other = lots.sample(range(len(lines)), 2)
    lines[one], lines[other] = lines[other], lines[one]
    _forged(files, lines)


def rewrite_a_record(files: Files, lots: Random) -> None:
    lines = files[RECORDS].splitlines(keepends=True)
    at = lots.randrange(len(lines))
    said = json.loads(lines[at])
    field = lots.choice([*said, "by", "at"])
    if field == "by":
        said["record"]["by"]["name"] = "mallory"
    elif field == "at":
        said["record"]["event"]["at"] = "2020-02-02T02:02:02Z"
    elif isinstance(said[field], int):
        said[field] += lots.choice([-1, 1, 1000])
    else:
        said[field] = "call-default:forged"
    lines[at] = json.dumps(said, separators=(",", ":")).encode() + b"\n"
    _forged(files, lines)


def change_a_number_of_the_proof(files: Files, lots: Random) -> None:
    proof = json.loads(files[PROOF])
    chain = lots.choice(proof["chains"])
    change = lots.randrange(4)
    if change == 0:
        chain["length"] += lots.choice([-1, 1])
    elif change == 1 and proof["others"]:
        proof["others"].pop(lots.randrange(len(proof["others"])))
    elif change == 2 and chain["others"]:
        chain["others"].reverse()
    else:
        proof["call"] = "default:another"
    _write(files, proof)


def forge_the_checkpoint(files: Files, lots: Random) -> None:
    """Say another root, or size, or map; sign it with a key of one's own."""
    text = files[CHECKPOINT].decode().partition("\n\n")[0] + "\n"
    said = Checkpoint.read(text)
    forged = lots.choice(
        [
            replace(said, size=said.size + lots.choice([-1, 1])),
            replace(said, root=lots.randbytes(32)),
            replace(said, chains=said.chains + 1),
            replace(said, chains_root=lots.randbytes(32)),
            said,
        ]
    )
    files[CHECKPOINT] = SigningKey.new(said.origin).signed(forged.text)


def pass_an_old_checkpoint_off(files: Files, lots: Random) -> None:
    files[CHECKPOINT] = files[lots.choice([one for one in files if one.startswith(EARLIER)])]


_OF_FILES: list[Callable[[Files, Random], None]] = [
    bend_a_file,
    drop_a_file,
    add_a_file,
    swap_two_files,
    leave_a_record_out,
    leave_the_last_records_out,
    repeat_a_record,
    swap_two_records,
    rewrite_a_record,
    change_a_number_of_the_proof,
    forge_the_checkpoint,
    pass_an_old_checkpoint_off,
]


def _forged(files: Files, lines: list[bytes]) -> None:
    """Put other records in, and list their hashes as well."""
    files[RECORDS] = b"".join(lines)
    proof = json.loads(files[PROOF])
    proof["leaves"] = [to_base64(leaf_hash(line[:-1])) for line in lines]
    _write(files, proof)


def _write(files: Files, proof: object) -> None:
    files[PROOF] = (json.dumps(proof, indent=1, sort_keys=True) + "\n").encode()


def _signed_by_somebody_else(files: Files, lots: Random) -> None:
    """Half of them list the files as they are now, signed with a key of their own."""
    if lots.random() < 0.5 or MANIFEST not in files or KEY not in files:
        return
    forger = SigningKey.new("example.org/clinic")
    call = files[MANIFEST].split(b"\n")[1].decode(errors="replace")
    if call.isprintable():
        files[MANIFEST] = forger.signed(manifest_text(files, call, forger.verifier))


_ALL = "SELECT rowid, * FROM stored_events ORDER BY rowid"


def _some_row(file: sqlite3.Connection, lots: Random) -> int:
    ((last,),) = file.execute("SELECT max(rowid) FROM stored_events")
    return lots.randint(1, last)


def flip_a_bit_of_a_document(file: sqlite3.Connection, lots: Random) -> None:
    row = _some_row(file, lots)
    ((state,),) = file.execute("SELECT state FROM stored_events WHERE rowid = ?", (row,))
    bent = flip_a_bit(bytes(state), lots)
    file.execute("UPDATE stored_events SET state = ? WHERE rowid = ?", (bent, row))


def move_to_another_stream(file: sqlite3.Connection, lots: Random) -> None:
    row = _some_row(file, lots)
    file.execute(
        "UPDATE stored_events SET originator_id = originator_id || '9' WHERE rowid = ?", (row,)
    )


def say_another_version(file: sqlite3.Connection, lots: Random) -> None:
    row, by = _some_row(file, lots), lots.randint(100, 200)
    file.execute(
        "UPDATE stored_events SET originator_version = originator_version + ? WHERE rowid = ?",
        (by, row),
    )


def say_another_name(file: sqlite3.Connection, lots: Random) -> None:
    name = lots.choice(["call.ended", "call.created", "session.left", "member.removed"])
    file.execute(
        "UPDATE stored_events SET topic = ? WHERE rowid = ?", (name, _some_row(file, lots))
    )


def swap_two_documents(file: sqlite3.Connection, lots: Random) -> None:
    one, other = _some_row(file, lots), _some_row(file, lots)
    states = dict(
        file.execute("SELECT rowid, state FROM stored_events WHERE rowid IN (?, ?)", (one, other))
    )
    for row, state in ((one, states[other]), (other, states[one])):
        file.execute("UPDATE stored_events SET state = ? WHERE rowid = ?", (state, row))


def swap_two_places(file: sqlite3.Connection, lots: Random) -> None:
    one, other = _some_row(file, lots), _some_row(file, lots)
    for was, becomes in ((one, -1), (other, one), (-1, other)):
        file.execute("UPDATE stored_events SET rowid = ? WHERE rowid = ?", (becomes, was))


def delete_a_record(file: sqlite3.Connection, lots: Random) -> None:
    file.execute("DELETE FROM stored_events WHERE rowid = ?", (_some_row(file, lots),))


def delete_a_record_and_close_the_gap(file: sqlite3.Connection, lots: Random) -> None:
    row = _some_row(file, lots)
    ((last,),) = file.execute("SELECT max(rowid) FROM stored_events")
    file.execute("DELETE FROM stored_events WHERE rowid = ?", (row,))
    for at in range(row + 1, last + 1):
        file.execute("UPDATE stored_events SET rowid = ? WHERE rowid = ?", (at - 1, at))


def insert_a_record(file: sqlite3.Connection, lots: Random) -> None:
    row = _some_row(file, lots)
    ((last,),) = file.execute("SELECT max(rowid) FROM stored_events")
    for at in range(last, row - 1, -1):
        file.execute("UPDATE stored_events SET rowid = ? WHERE rowid = ?", (at + 1, at))
    file.execute(
        "INSERT INTO stored_events (rowid, originator_id, originator_version, topic, state)"
        " SELECT ?, originator_id, originator_version + 1000, topic, state"
        " FROM stored_events WHERE rowid = ?",
        (row, row + 1),
    )


def cut_the_log_off(file: sqlite3.Connection, lots: Random) -> None:
    file.execute("DELETE FROM stored_events WHERE rowid >= ?", (_some_row(file, lots),))


_OF_ROWS: list[Callable[[sqlite3.Connection, Random], None]] = [
    flip_a_bit_of_a_document,
    move_to_another_stream,
    say_another_version,
    say_another_name,
    swap_two_documents,
    swap_two_places,
    delete_a_record,
    delete_a_record_and_close_the_gap,
    insert_a_record,
    cut_the_log_off,
]
