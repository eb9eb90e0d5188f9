"""The page about a call: all of it there, nothing of it dangerous."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser
from time import process_time

import pytest
from msgspec.structs import replace
from tests.reports.conftest import CID, EVIL, NINE, Ward
from tests.reports.records import records_of

from greenroom.domain.errors import CallNotFound
from greenroom.domain.message import CallId, UserId
from greenroom.domain.session_events import MediaPublished, MediaUnpublished, Track
from greenroom.reports.call_report import Standing, call_report


def page(ward: Ward, **options: object) -> str:
    records = records_of(ward.room, CID)
    return call_report(CallId(CID), records, at=ward.clock.now(), **options)  # type: ignore[arg-type]  # by name


class Reader(HTMLParser):
    """What a browser makes of a page: its elements, and the text of its tables."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def count(self, tag: str, **attributes: str) -> int:
        return sum(
            1 for name, found in self.tags if name == tag and attributes.items() <= found.items()
        )


def test_every_event_is_a_row_with_its_author_and_its_cause(ward: Ward) -> None:
    told = page(ward)
    history = ward.room.system("auditor").call(*CID.split(":")).history()
    assert Reader(told).count("tr", id=f"e{len(history)}") == 1
    assert Reader(told).count("tr", id=f"e{len(history) + 1}") == 0
    connected = next(event for event in history if event.name == "session.connected")
    joined = next(event for event in history if event.event_id == connected.causation_id)
    (row,) = re.findall(rf'<tr id="e{connected.seq}">.*', told)
    assert "<td>session.connected<td>system:media<td>" in row
    assert f'<a href="#e{joined.seq}">after #{joined.seq}</a>' in row


def test_nothing_a_stranger_wrote_is_more_than_text(ward: Ward) -> None:
    told = page(ward, personal=True)
    reader = Reader(told)
    assert "document.title" in told
    assert reader.count("script") == 2  # the history, and the page's own
    assert "\u202e" not in told
    assert "\\u202e" in told


@pytest.mark.slow
def test_what_is_personal_is_left_out_unless_it_is_asked_for(ward: Ward) -> None:
    assert "document.title" not in page(ward)
    assert "document.title" in page(ward, personal=True)
    ward.room.system("gdpr").call(*CID.split(":")).delete(hard=True)
    assert EVIL[-9:] not in "".join(Reader(page(ward, personal=True)).text[-200:])


def test_it_asks_no_network_for_anything_and_runs_nothing_but_its_own(ward: Ward) -> None:
    reader = Reader(page(ward))
    (policy,) = [
        found["content"] for tag, found in reader.tags if found.get("http-equiv", "") and tag
    ]
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    for _, attributes in reader.tags:
        assert not {"src", "style", "onclick", "onload"} & attributes.keys()
        assert (attributes.get("href") or "#").startswith("#")


def test_each_person_has_a_lane_that_says_in_words_what_it_draws(ward: Ward) -> None:
    lanes = {
        (found["aria-label"] or "").partition(":")[0]: found["aria-label"]
        for tag, found in Reader(page(ward)).tags
        if tag == "svg" and found.get("role") == "img"
    }
    assert list(lanes) == ["alice", "charlie", "thierry", "mallory"]
    assert "there 09:00:10 to 09:01:10 (kicked by thierry)" in str(lanes["mallory"])
    assert "audio 09:00:10 to 09:01:10" in str(lanes["alice"])  # muted then
    assert "rung 09:00:00 to 09:00:10 (rejected)" in str(lanes["charlie"])
    assert "blocked 09:01:10 on" in str(lanes["mallory"])


def test_recordings_have_a_lane_of_their_own_and_their_files_a_table(ward: Ward) -> None:
    assert "Recordings" not in page(ward)
    thierry = ward.join("thierry")
    ward.call().start_recording()
    (going,) = ward.media.recordings()
    ward.clock.advance(seconds=60)
    ward.media.finish(going, thierry, UserId("thierry"), "audio")
    ward.call().stop_recording()
    ward.call().start_recording()
    told = page(ward)
    (lane,) = re.findall(r'aria-label="Recording: ([^"]*)"', told)
    assert lane == "recorded 09:11:40 to 09:12:40 (stopped); recorded 09:12:40 on"
    assert len(re.findall(r'<rect class="recorded" x=', told)) == 2
    rows = "".join(Reader(told[told.index("<h2>Recordings") :]).text)
    first, second = ward.call().recordings()
    assert f"{first.id} 2026-01-02 09:11:40 to 2026-01-02 09:12:40, started by thierry" in rows
    assert f"{second.id} 2026-01-02 09:12:40 on, started by thierry" in rows
    assert "No file is finished." in rows
    (track,) = first.tracks
    assert f"thierryaudio, opus0.50 s0:01:001,0000{track.file.name}{track.file.sha256}" in rows


def test_without_a_checkpoint_it_says_so_and_else_what_is_proven(ward: Ward) -> None:
    assert "Not proven: no checkpoint" in page(ward)
    proof = Standing("proven", "Proven: all of it", ("the <root>",))
    assert "Proven: all of it" in page(ward, proof=proof)
    assert "the &lt;root&gt;" in page(ward, proof=proof)


def test_the_same_history_makes_the_same_page(ward: Ward) -> None:
    assert page(ward) == page(ward)


def test_there_is_no_page_about_nothing() -> None:
    with pytest.raises(CallNotFound):
        call_report(CallId("default:nowhere"), [], at=NINE)


@pytest.mark.slow
def test_a_long_call_takes_as_much_longer_as_it_is_longer_and_is_small(ward: Ward) -> None:
    entries = [ward.join(f"user-{number}") for number in range(100)]
    records = records_of(ward.room, CID)
    _, last = records[-1]
    for number in range(10_000 - len(records)):
        kind = MediaPublished if number // 100 % 2 else MediaUnpublished
        event = kind(
            at=last.at + timedelta(seconds=number / 3),
            cid=CallId(CID),
            session=2,
            entry_id=entries[number % 100],
            epoch=1,
            kind=Track.AUDIO,
        )
        place = {"position": last.position + number + 1, "event_id": f"event-{number}"}
        records.append((len(records) + 1, replace(last, event=event, **place)))
    few = records[:2_000]
    began = process_time()
    call_report(CallId(CID), few, at=few[-1][1].at)
    began, for_few = process_time(), process_time() - began
    told = call_report(CallId(CID), records, at=records[-1][1].at)
    assert process_time() - began < 3 * 5 * for_few  # five times the events: no square grows in it
    assert len(told.encode()) < 5_000_000
    assert Reader(told).count("tr", id="e10000") == 1
