"""The page in a bundle: about what the bundle proves, and part of what is proved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from tests.audit.conftest import HEALTH, NOON, VISIT, House

from greenroom.audit.archive import unpack
from greenroom.audit.trees import Unproven
from greenroom.audit.verifier import Verdict, verdict
from greenroom.reports.bundled import bundled_report


@pytest.fixture(scope="module")
def visit(standing_house: House) -> Mapping[str, bytes]:
    return unpack(standing_house.bundle(VISIT, report=bundled_report).archive)


@pytest.fixture(scope="module")
def shown(standing_house: House, visit: Mapping[str, bytes]) -> Verdict:
    return verdict(visit, standing_house.ledger.verifier)


def test_the_page_has_every_event_of_the_call_and_says_how_to_check_it(
    standing_house: House, visit: Mapping[str, bytes]
) -> None:
    page = visit["report.html"].decode()
    with standing_house.room() as room:
        history = room.system("auditor").call("default", "visit").history()
    for event in history:
        assert f'<tr id="e{event.seq}"><td>{event.seq}<td>' in page
        assert f"<td>{event.name}<td>{event.by}<td>" in page
    assert f'id="e{len(history) + 1}"' not in page
    assert "Verify it with: python verify.py BUNDLE --key KEY" in page
    assert f"all {len(history)} events of this call" in page
    assert HEALTH not in page


def test_the_page_is_made_of_the_verdict_and_the_same_each_time(
    standing_house: House, visit: Mapping[str, bytes], shown: Verdict
) -> None:
    assert bundled_report(shown).items() <= visit.items()
    again = standing_house.bundle(VISIT, report=bundled_report).archive
    assert unpack(again) == visit
    assert f"As of {NOON:%Y-%m-%d %H:%M:%S} UTC" in visit["report.html"].decode()


def test_who_changes_the_page_is_found_out(house: House, visit: Mapping[str, bytes]) -> None:
    page = visit["report.html"].replace(b"charlie", b"nobody0")
    with pytest.raises(Unproven, match=r"not what it was: report\.html"):
        verdict({**visit, "report.html": page}, house.ledger.verifier)


def test_there_is_no_page_about_a_call_that_never_was(house: House) -> None:
    files = unpack(house.bundle("default:never", report=bundled_report).archive)
    assert "report.txt" in files
    assert "report.html" not in files


def test_a_record_that_cannot_be_read_here_keeps_nobody_from_the_bundle(shown: Verdict) -> None:
    *others, last = shown.records
    newer = replace(shown, records=[*others, last._replace(name="call.of_the_future")])
    assert [*bundled_report(newer)] == ["report.txt"]
