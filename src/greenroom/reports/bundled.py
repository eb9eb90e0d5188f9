"""The report in a bundle: made of the records that the bundle proves, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from greenroom.adapters.codec import decode
from greenroom.adapters.sealing import SubjectKey
from greenroom.audit.leaves import chain_of
from greenroom.audit.plain_report import plain_report
from greenroom.audit.verifier import Verdict
from greenroom.domain.errors import StoreError
from greenroom.domain.message import CallId, Event, Recorded
from greenroom.reports.call_report import Standing, call_report


def bundled_report(shown: Verdict) -> Mapping[str, bytes]:
    """The report's files, by name: `report.txt`, and the page `report.html` about the call.

    Both are the same for the same verdict: the page is as of the last event in it. What is personal
    is sealed in the records, and is on neither. There is no page about a call that never was, nor
    where this greenroom cannot read one of the records: a bundle does not depend on that.
    """
    files = {**plain_report(shown)}
    try:
        records = [*_records(shown)]
    except StoreError:
        return files
    if records:
        _, last = records[-1]
        page = call_report(CallId(shown.call), records, at=last.at, proof=_standing(shown))
        files["report.html"] = page.encode()
    return files


def _records(shown: Verdict) -> Iterator[tuple[int, Recorded[Event]]]:
    """Those of the call itself, with their places in its history."""
    of_call = (one for one in shown.records if chain_of(one.stream) == f"call-{shown.call}")
    return ((seq, decode(one, _no_keys)) for seq, one in enumerate(of_call, start=1))


def _no_keys(subjects: Sequence[str]) -> Sequence[SubjectKey | None]:
    return [None] * len(subjects)


def _standing(shown: Verdict) -> Standing:
    """A page that is handed over cannot vouch for itself: it says what does."""
    held, signed = shown.lengths[f"call-{shown.call}"], shown.checkpoint
    now = f"all {held} events of this call, unchanged, as of the first {signed.size} records"
    return Standing(
        "open",
        "Verify it with: python verify.py BUNDLE --key KEY",
        (
            f"When this was made: {now} of {signed.origin}.",
            f"The root of the tree over them is {signed.root.hex()}.",
            "A page cannot prove itself. The program proves the bundle, this page included.",
            "Take the program, and the log's key, from elsewhere than the bundle.",
        ),
    )
