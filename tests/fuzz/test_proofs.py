"""Whatever a forger makes of what is proved: it shows what the log holds, or nothing. Fuzzed."""

from __future__ import annotations

from typing import Final

from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.edits import edited, shuffled
from tests.fuzz.forgeries import forged, forged_proof, listed_anew, shown
from tests.fuzz.test_reading import read_or_refused

from greenroom.audit.archive import pack, unpack
from greenroom.audit.leaves import read_leaf
from greenroom.audit.notes import VerifierKey, read_checkpoint, signed_text
from greenroom.audit.record_proof import proved_record
from greenroom.audit.trees import Unproven
from greenroom.audit.verifier import verdict

FEW_BYTES: Final = st.binary(max_size=8)


@given(data=st.data())
def test_an_archive_is_unpacked_as_it_was_packed_or_refused(data: st.DataObject) -> None:
    files = {"proof": b"{}", "records.jsonl": b"{}\n{}\n"}
    archive = data.draw(edited(pack(files), FEW_BYTES))
    unpacked = read_or_refused(lambda: unpack(archive), Unproven)
    assert isinstance(unpacked, Unproven) or pack(unpacked) == archive


@given(data=st.data())
def test_a_bundle_of_other_files_proves_nothing(data: st.DataObject) -> None:
    files = data.draw(forged(shown()))
    found = read_or_refused(lambda: verdict(files, shown().key.verifier), Unproven)
    assert isinstance(found, Unproven) or files in shown().bundles


@given(data=st.data(), trusted=st.booleans())
def test_what_is_listed_anew_shows_what_the_log_holds_or_nothing(
    data: st.DataObject, *, trusted: bool
) -> None:
    log = shown()
    files = listed_anew(data.draw(forged(log)), log.key)
    key, kept = log.key.verifier, data.draw(st.lists(st.sampled_from(log.notes), max_size=1))
    found = read_or_refused(lambda: verdict(files, key if trusted else None, kept), Unproven)
    if isinstance(found, Unproven):
        return
    records, lengths = log.held([*found.lengths], found.checkpoint.size)
    assert (found.records, found.lengths) == (records, lengths)
    signed = [read_checkpoint(note, key) for note in log.notes]
    assert all(one in signed for one in (found.checkpoint, *found.earlier))
    assert str(found).startswith("PROVED" if trusted else "CONSISTENT")


@given(data=st.data())
def test_the_proof_of_a_record_proves_no_other(data: st.DataObject) -> None:
    log = shown()
    proof, key = data.draw(forged_proof(log)), log.key.verifier
    found = read_or_refused(lambda: proved_record(proof, key), Unproven)
    if isinstance(found, Unproven):
        return
    record, checkpoint = found
    assert 1 <= record.position <= checkpoint.size
    assert record == read_leaf(log.lines[record.position - 1])
    assert checkpoint in [read_checkpoint(note, key) for note in log.notes]


@given(data=st.data())
def test_a_checkpoint_is_read_as_it_is_signed_or_refused(data: st.DataObject) -> None:
    key = shown().key
    whole = signed_text(data.draw(st.sampled_from(shown().notes)), key.verifier)
    rows = data.draw(shuffled(whole.split("\n"), st.sampled_from(["0", "chains 0 ", "-1", ""])))
    text = data.draw(edited("\n".join(rows), st.text(max_size=8)))
    found = read_or_refused(lambda: read_checkpoint(key.signed(text), key.verifier), Unproven)
    assert isinstance(found, Unproven) or found.text == text


@given(data=st.data())
def test_a_key_is_read_as_it_is_written_or_refused(data: st.DataObject) -> None:
    said = data.draw(edited(str(shown().key.verifier), st.text(max_size=8)))
    found = read_or_refused(lambda: VerifierKey.read(said), Unproven)
    assert isinstance(found, Unproven) or str(found) == said.strip()
