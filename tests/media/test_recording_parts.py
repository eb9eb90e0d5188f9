"""What recording is made of, without a network: order, time, sound, pictures, files, names."""

from __future__ import annotations

import asyncio
import os
import random
import struct
import threading
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.media.lines import track
from tests.media.playing import heard, seen

from greenroom.domain.message import CallId, EntryId, UserId
from greenroom.domain.session_events import RecordedFile
from greenroom.media.packets import Kept
from greenroom.media.port import MediaRecording, RecordedTrack
from greenroom.media.recording import recorder as recorder_module
from greenroom.media.recording import taps
from greenroom.media.recording.alignment import MOST, Alignment, Known, Report
from greenroom.media.recording.files import TrackFile, may_begin
from greenroom.media.recording.frames import Frame
from greenroom.media.recording.opus import SILENCE, concealed, samples
from greenroom.media.recording.ordering import Arrived, Ordering
from greenroom.media.recording.pictures import Pictures
from greenroom.media.recording.recorder import Recorder
from greenroom.media.recording.remains import DIED, Claim, Note, left_behind
from greenroom.media.recording.sound import Sound
from greenroom.media.recording.timeline import LEEWAY, Timeline
from greenroom.media.recording.track import Outcomes, TrackWriter, Whose
from greenroom.media.relay import Relay
from greenroom.testing.media import Witness
from greenroom.testing.peer import Colour, Tone

CID = CallId("default:1")
RECORDING = MediaRecording(CID, 1, 1)
ENTRY, USER = EntryId("entry-thierry"), UserId("thierry")
SOUND, PICTURE = RecordedTrack(ENTRY, USER, 1, "audio"), RecordedTrack(ENTRY, USER, 1, "video")


@cache
def tone(seconds: float) -> list[bytes]:
    """thierry's tone, encoded: 20 ms each."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "mono", "s16"
    made, packets = Tone("red"), []
    for number in range(round(seconds * 50)):
        frame = made.make(number)
        frame.pts, frame.time_base = number * 960, Fraction(1, 48_000)
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets


@cache
def pictures() -> list[bytes]:
    """A second of thierry's colour with its bar, as VP8: 15, the first of them a key frame."""
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 320, 240, "yuv420p"
    encoder.time_base = Fraction(1, 90_000)
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "auto-alt-ref": "0"}
    made, packets = Colour("red"), []
    for number in range(15):
        frame = made.make(number)
        frame.pts, frame.time_base = number * 6_000, Fraction(1, 90_000)
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets


def split(picture: bytes, ordinal: int, timestamp: int, size: int = 300) -> list[Arrived]:
    """A picture in packets, as RFC 7741 has them."""
    parts = [picture[at : at + size] for at in range(0, len(picture), size)]
    return [
        Arrived(
            ordinal + number,
            timestamp,
            0x80 if number == len(parts) - 1 else 0,
            (b"\x00" if number else b"\x10") + part,
            timestamp / 90_000,
        )
        for number, part in enumerate(parts)
    ]


def ordered(packets: Sequence[int], now: float = 0.0) -> tuple[list[int | None], Ordering]:
    order = Ordering()
    found = [
        None if one is None else one.ordinal
        for ordinal in packets
        for one in order.put(Arrived(ordinal, 0, 0, b"", now))
    ]
    return found, order


@given(st.permutations(range(1, 12)), st.lists(st.integers(1, 11), max_size=5))
def test_what_came_in_any_order_and_twice_is_in_order_and_once(
    packets: list[int], again: list[int]
) -> None:
    found, order = ordered([0, *packets, *again])
    assert found == list(range(12))
    assert order.lost == 0


@given(st.sets(st.integers(1, 20)), st.randoms(use_true_random=False))
def test_what_does_not_come_is_left_out_and_said(missing: set[int], lots: random.Random) -> None:
    packets = [number for number in range(1, 21) if number not in missing]
    lots.shuffle(packets)
    found, order = ordered([0, *packets])
    found += [None if one is None else one.ordinal for one in order.give_up(now=10)]
    assert [one for one in found if one is not None] == sorted([0, *packets])
    last = max([0, *packets])
    assert order.lost == sum(number < last for number in missing)
    assert found.count(None) <= len(missing)


def test_a_packet_is_waited_for_for_a_second() -> None:
    found, order = ordered([0, 2])
    assert found == [0]
    assert [*order.give_up(now=0.9)] == []
    found, order = ordered([0, 2, 1])
    assert found == [0, 1, 2]


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.tuples(st.integers(0, 2**32 - 1), st.floats(0, 5)), max_size=20),
)
def test_whatever_timestamps_say_nothing_stands_far_from_when_it_came(
    first: int, rest: list[tuple[int, float]]
) -> None:
    timeline, now = Timeline(48_000), 100.0
    assert timeline.place(first, now) == 0
    for timestamp, pause in rest:
        now += pause
        place = timeline.place(timestamp, now)
        assert abs(place / 48_000 - (now - 100)) <= LEEWAY + 0.001


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(-2_000, 9_000), max_size=30))
def test_timestamps_that_make_sense_are_followed_to_the_unit_beyond_their_32_bits(
    first: int, steps: list[int]
) -> None:
    timeline, place = Timeline(90_000), 0
    timeline.place(first, 0.0)
    for step in steps:
        place += step
        assert timeline.place((first + place) % 2**32, place / 90_000) == place


@pytest.mark.parametrize("code", range(4))
@pytest.mark.parametrize("config", range(32))
def test_packets_of_opus_say_how_long_they_play(config: int, code: int) -> None:
    silk, celt = [10, 20, 40, 60], [2.5, 5, 10, 20]
    frame = silk[config % 4] if config < 12 else [10, 20][config % 2] if config < 16 else None
    milliseconds = celt[config % 4] if frame is None else frame
    frames = {0: 1, 1: 2, 2: 2, 3: 3}[code]
    length = int(milliseconds * frames * 48)
    packet = bytes([config << 3 | code, 3])
    assert samples(packet) == (length if length <= 5_760 else 0)
    assert samples(concealed(packet)) == milliseconds * 48


def test_what_is_no_opus_plays_no_time() -> None:
    assert [samples(one) for one in (b"", b"\xff", b"\xff\x00", b"\xfb\x3f")] == [0, 0, 0, 0]
    assert samples(SILENCE) == 960


def sounds(places: Sequence[tuple[int, int, float]]) -> list[Frame]:
    sound, packet = Sound(), tone(0.02)[0]
    return [
        frame
        for ordinal, timestamp, at in places
        for frame in sound.take(Arrived(ordinal, timestamp, 0, packet, at))
    ]


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.floats(0, 4)), min_size=1, max_size=8))
def test_sound_is_unbroken_and_no_longer_than_it_took(said: list[tuple[int, float]]) -> None:
    at, places = 0.0, []
    for number, (timestamp, pause) in enumerate(said):
        at += pause
        places.append((number, timestamp, at))
    frames = sounds(places)
    assert [frame.place for frame in frames[1:]] == [one.place + one.length for one in frames[:-1]]
    assert frames[-1].place / 48_000 <= at - places[0][2] + LEEWAY + 0.1


def test_a_pause_is_made_up_for_and_after_a_second_silent() -> None:
    frames = sounds([(0, 0, 0.0), (1, 4 * 48_000, 4.0)])
    assert len(frames) == 201
    assert all(len(frame.data) == 1 for frame in frames[1:51])
    assert all(frame.data == SILENCE for frame in frames[51:200])
    assert frames[-1].place == 4 * 48_000


def test_a_picture_is_put_together_of_its_packets() -> None:
    made, wanted = Pictures("VP8", lambda: None), pictures()
    found, ordinal = [], 0
    for number, picture in enumerate(wanted):
        for packet in split(picture, ordinal, number * 6_000):
            found += [*made.take(packet)]
            ordinal += 1
    assert [frame.data for frame in found] == wanted
    assert [frame.place for frame in found] == [number * 6_000 for number in range(15)]
    assert [frame.key for frame in found] == [True] + [False] * 14


def test_after_a_gap_there_is_no_picture_before_one_that_needs_no_other() -> None:
    asked: list[int] = []
    made, some = Pictures("VP8", lambda: asked.append(1)), pictures()
    packets = [*split(some[0], 0, 0), *split(some[1], 100, 6_000)]
    assert len([frame for packet in packets for frame in made.take(packet)]) == 2
    made.gap()
    later = [*split(some[2], 200, 12_000), *split(some[3], 300, 18_000)]
    assert [frame for packet in later for frame in made.take(packet)] == []
    assert asked == [1], "asked for once a second"
    again = [*split(some[0], 400, 24_000), *split(some[4], 500, 30_000)]
    assert [frame.key for packet in again for frame in made.take(packet)] == [True, False]


@pytest.mark.parametrize("codec", ["VP8", "H264"])
@given(st.lists(st.binary(max_size=40), max_size=10))
def test_pictures_of_whatever_strangers_send_are_none_or_bytes(
    codec: str, payloads: list[bytes]
) -> None:
    made = Pictures(codec, lambda: None)
    for number, payload in enumerate(payloads):
        packet = Arrived(number, number * 3_000, 0x80, payload, number / 30)
        for frame in made.take(packet):
            may_begin(codec, frame)


class Desk:
    """A writer of one track, and what came of it."""

    def __init__(
        self, folder: Path, track: RecordedTrack, codec: str, alignment: Alignment | None = None
    ) -> None:
        self.files: list[RecordedFile] = []
        self.failures: list[str] = []
        self.wanted = 0
        outcomes = Outcomes(
            lambda _whose, file, claim: self._finished(file, claim),
            lambda _whose, because: self.failures.append(because),
            self._want,
        )
        whose = Whose(RECORDING, track, 0.0, alignment or Alignment())
        self.writer = TrackWriter(whose, codec, folder, outcomes)

    def _finished(self, file: RecordedFile, claim: Claim) -> None:
        self.files.append(file)
        claim.settle()

    def _want(self) -> None:
        self.wanted += 1

    def take(self, packets: Sequence[Arrived]) -> None:
        for packet in packets:
            self.writer.take([Kept(*packet[:4])], packet.at)

    def sound(self, seconds: float, *, begin: float = 0.0, ordinal: int = 0) -> None:
        self.take(
            [
                Arrived(ordinal + n, round(begin * 48_000) + n * 960, 0, data, begin + n / 50)
                for n, data in enumerate(tone(seconds))
            ]
        )


def test_sound_goes_to_a_file_that_plays_and_says_when_it_begins(tmp_path: Path) -> None:
    desk = Desk(tmp_path, SOUND, "opus")
    desk.sound(2, begin=1.5)
    desk.writer.close()
    [file] = desk.files
    assert file.name == "default.1/1/1/entry-thierry-audio-1.opus"
    assert file.starts_after == 1.5
    assert file.seconds == pytest.approx(2, abs=0.03)
    assert heard(tmp_path / file.name).share("red") > 0.95


AT_SENDER = 3_900_000_000.0
"""What a sender's clock showed when it began to send, in seconds."""


def late_pictures(desk: Desk, *, late: float) -> None:
    """Half a second of pictures, made from the beginning, all of which come late."""
    for number, picture in enumerate(pictures()[:8]):
        packets = split(picture, number * 50, number * 6_000)
        desk.take([one._replace(at=one.at + late) for one in packets])


@pytest.mark.parametrize("told_at", ["before the file begins", "after"])
def test_pictures_that_were_longer_on_their_way_than_sound_are_in_line_with_it(
    tmp_path: Path, told_at: str
) -> None:
    together = Alignment()
    sound = Desk(tmp_path, SOUND, "opus", together)
    picture = Desk(tmp_path, PICTURE, "VP8", together)
    reports = ((sound, Report(AT_SENDER + 2, 96_000)), (picture, Report(AT_SENDER + 1, 90_000)))
    if told_at != "after":
        for desk, report in reports:
            desk.writer.hear(report)
    sound.sound(0.5)
    late_pictures(picture, late=0.3)
    for desk, report in reports:
        desk.writer.hear(report._replace(at=report.at + 0.4))  # busy, and too late with it
        desk.writer.hear(report)
    for desk in (picture, sound):
        desk.writer.close()
    assert sound.files[0].starts_after == pytest.approx(0, abs=0.001)
    assert picture.files[0].starts_after == pytest.approx(0, abs=0.001)


def test_without_the_senders_word_files_begin_when_they_came(tmp_path: Path) -> None:
    together = Alignment()
    sound = Desk(tmp_path, SOUND, "opus", together)
    picture = Desk(tmp_path, PICTURE, "VP8", together)
    sound.writer.hear(Report(AT_SENDER, 0))
    sound.sound(0.5)
    late_pictures(picture, late=0.3)
    for desk in (sound, picture):
        desk.writer.close()
    assert sound.files[0].starts_after == 0
    assert picture.files[0].starts_after == pytest.approx(0.3)


def test_another_stream_is_not_placed_by_what_was_said_of_the_one_before(tmp_path: Path) -> None:
    together = Alignment()
    picture = Desk(tmp_path, PICTURE, "H264", together)
    picture.writer.hear(Report(AT_SENDER + 0.2, 0))
    picture.writer.begin_again("VP8")
    late_pictures(picture, late=0)
    together.note("its sound", Known(leads=True, arrived=0.0, sent=AT_SENDER))
    picture.writer.close()
    assert picture.files[0].starts_after == 0


INSTANTS = st.floats(0, 5e9)


@given(
    st.lists(st.tuples(st.floats(0, 1e6), INSTANTS, st.integers(0, 2**32 - 1)), max_size=5),
    st.integers(0, 2**32 - 1),
)
def test_whatever_a_sender_says_nothing_is_moved_far(
    said: list[tuple[float, float, int]], origin: int
) -> None:
    together = Alignment()
    for number, (arrived, at, timestamp) in enumerate(said):
        sent = Report(at, timestamp).sent_at(origin, 90_000)
        together.note(number, Known(number == 2, arrived, sent))
    for number, (arrived, _, _) in enumerate(said):
        assert abs(together.begins(number, arrived) - arrived) <= MOST
    assert together.begins("a stranger", 5.0) == 5.0


NEAR = st.floats(0, MOST - 0.001)
"""At the bound itself it is left to the last bit of an instant."""


@given(st.lists(NEAR, min_size=1, max_size=6), st.floats(0, 1e4), INSTANTS)
def test_what_was_made_at_the_same_time_begins_at_the_same_time(
    delays: list[float], began: float, at: float
) -> None:
    together = Alignment()
    for number, delay in enumerate(delays):
        together.note(number, Known(number == 1, began + delay, at))
    begin = {round(together.begins(n, began + delay), 3) for n, delay in enumerate(delays)}
    assert max(begin) - min(begin) <= 0.002


def test_a_track_without_a_packet_leaves_no_file(tmp_path: Path) -> None:
    desk = Desk(tmp_path, SOUND, "opus")
    desk.writer.look(5.0)
    desk.writer.close()
    assert desk.files == []
    assert [*tmp_path.rglob("*")] == []


def test_another_codec_begins_another_file(tmp_path: Path) -> None:
    desk = Desk(tmp_path, PICTURE, "H264")
    desk.take([Arrived(0, 0, 0x80, b"\x41\x9a", 0.0)])
    desk.writer.begin_again("VP8")
    some = pictures()
    for number, picture in enumerate(some):
        desk.take(split(picture, 1_000 + number * 50, number * 6_000))
        desk.writer.look(number / 15 + 2)
    desk.writer.close()
    [file] = desk.files
    assert (file.codec, file.failure) == ("VP8", "")


def test_namesakes_are_told_apart_and_nothing_is_written_over(tmp_path: Path) -> None:
    for _ in range(3):
        desk = Desk(tmp_path, SOUND, "opus")
        desk.sound(0.2)
        desk.writer.close()
    names = sorted(path.name for path in tmp_path.rglob("*.opus"))
    assert names == [
        "entry-thierry-audio-1-2.opus",
        "entry-thierry-audio-1-3.opus",
        "entry-thierry-audio-1.opus",
    ]


HALF = st.text(min_size=1, max_size=20)


@given(entry=st.text(min_size=1, max_size=40), cid=st.builds("{}:{}".format, HALF, HALF))
@example(entry=".", cid="..:..")
def test_no_name_leads_out_of_the_folder(entry: str, cid: str) -> None:
    try:
        (entry + cid).encode()
    except UnicodeEncodeError:
        return
    track = RecordedTrack(EntryId(entry), USER, 1, "audio")
    note = Note.of(MediaRecording(CallId(cid), 1, 1), track, "opus", 0.0)
    parts = note.place.split("/")
    assert len(parts) == 4
    assert not {"", ".", ".."} & {*parts}
    assert all(one.isalnum() or one in "-_.~%" for part in parts for one in part)


def test_a_picture_without_a_size_ends_its_track_and_nothing_else(tmp_path: Path) -> None:
    desk = Desk(tmp_path, PICTURE, "VP8")
    nothing = b"\x10" + b"\x10\x00\x00\x9d\x01\x2a" + struct.pack("<HH", 0, 0)
    desk.take([Arrived(0, 0, 0x80, nothing, 0.0)])
    desk.writer.close()
    assert desk.failures == []
    assert desk.files == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_that_is_gone_fails_the_recording_once(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("in the way")
    desk = Desk(tmp_path / "folder", SOUND, "opus")
    desk.sound(0.5)
    desk.writer.close()
    assert len(desk.failures) == 1
    assert desk.files == []


def test_a_note_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", full)
        desk = Desk(tmp_path, SOUND, "opus")
        desk.sound(0.5)
        desk.writer.close()
    assert desk.failures == ["[Errno 28] No space left on device"]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def half_file(folder: Path) -> tuple[Path, Note]:
    """What a process leaves that is killed while it writes two seconds of pictures."""
    note = Note.of(RECORDING, PICTURE, "VP8", 2.5)
    claim = Claim.made(folder, note)
    some = pictures()
    file = TrackFile(claim.path, "VP8", Frame(some[0], 0, 0, key=True))
    for number, picture in enumerate(some):
        file.write(Frame(picture, number * 12_000, 0, key=number == 0), 90_000)
    claim.leave()
    return claim.path.with_name(claim.path.name + ".part"), note


@pytest.mark.parametrize("cut", [0, 1, 3, 100])
def test_what_was_cut_off_anywhere_is_finished(tmp_path: Path, cut: int) -> None:
    part, note = half_file(tmp_path)
    os.truncate(part, max(0, part.stat().st_size - cut))
    [(found, file, claim)] = left_behind(tmp_path)
    claim.settle()
    assert found == note
    assert file.failure == DIED
    assert (file.starts_after, file.codec) == (2.5, "VP8")
    watched = seen(tmp_path / file.name)
    assert watched.signs["red"] == watched.signs.total() > 4
    assert file.seconds == pytest.approx(watched.seconds, abs=0.15)
    assert [*left_behind(tmp_path)] == []


@pytest.mark.parametrize("size", [1, 40])
def test_what_cannot_be_read_is_kept_as_it_is_and_told(tmp_path: Path, size: int) -> None:
    part, _ = half_file(tmp_path)
    part.write_bytes(b"?" * size)
    [(_, file, _claim)] = left_behind(tmp_path)
    assert "cannot be mended" in file.failure
    assert (file.bytes, file.seconds) == (size, 0)


def test_a_file_that_was_finished_and_not_told_of_is_told_of(tmp_path: Path) -> None:
    part, _ = half_file(tmp_path)
    [(_, first, claim)] = left_behind(tmp_path)
    claim.leave()
    assert not part.exists()
    [(_, second, _claim)] = left_behind(tmp_path)
    assert (second.name, second.sha256, second.failure) == (first.name, first.sha256, "")


def test_what_a_living_process_writes_is_left_alone_and_so_is_what_is_no_note(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, SOUND, "opus")
    desk.sound(0.5)
    stray = tmp_path / "a" / "b" / "c" / "stray.json"
    stray.parent.mkdir(parents=True)
    stray.write_text('{"not": "ours"}')
    assert [*left_behind(tmp_path)] == []
    desk.writer.close()
    assert len(desk.files) == 1
    assert stray.exists()


@pytest.fixture
def told() -> Iterator[tuple[Relay, Witness]]:
    relay, witness = Relay("test-news"), Witness()
    relay.start(witness)
    yield relay, witness
    relay.stop()


def test_a_disk_that_is_too_slow_misses_whole_stretches_and_counts_them(
    tmp_path: Path, told: tuple[Relay, Witness], monkeypatch: pytest.MonkeyPatch
) -> None:
    relay, witness = told
    recorder = Recorder(tmp_path, relay)
    writer = recorder.open(Whose(RECORDING, SOUND, 0.0), "opus", want_key_frame=lambda: None)
    packets = tone(2)
    for n in (*range(30), *range(70, 100)):
        packet = Kept(n, n * 960, 0, packets[n])
        recorder.belt.bring(writer.take, [packet], n / 50)
    writer.dropped += 40
    recorder.close(writer)
    recorder.start()
    assert witness.heard(lambda heard: bool(heard.told("recorded")))
    recorder.stop()
    [one] = witness.told("recorded")
    assert one.file is not None
    assert (one.file.packets_dropped, one.file.packets_lost) == (40, 0)
    assert one.file.seconds == pytest.approx(2, abs=0.05)
    sound = heard(tmp_path / one.file.name)
    assert sound.share("red", 0.1, 0.5) > 0.9
    assert sound.share("red", 1.5, 1.9) > 0.9
    assert sound.share("red", 0.8, 1.3) == 0


def test_a_tap_drops_what_the_belt_has_no_room_for_until_half_of_it_is_done(
    tmp_path: Path, told: tuple[Relay, Witness], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taps, "MOST_WAITING", 10)
    recorder = Recorder(tmp_path, told[0])

    async def bring() -> list[int]:
        incoming, _ = track()
        tap = taps.Tap(incoming, recorder, Whose(RECORDING, PICTURE, 0.0))
        recorder.belt.work.clear()
        waiting = []
        for done in (0, 3, 4):
            for _ in range(done):
                recorder.belt.work.popleft()
            for number in range(20):
                tap.forward([Kept(number, 0, 0, b""), Kept(number + 1, 0, 0, b"")])
            waiting.append((len(recorder.belt.work), tap._writer.dropped))
        return [one for pair in waiting for one in pair]

    # Full at 11; at 8 it still is; at 4 one more burst is dropped, then there is room again.
    assert asyncio.run(bring()) == [11, 18, 8, 58, 11, 84]


def test_a_stop_writes_what_was_brought(tmp_path: Path, told: tuple[Relay, Witness]) -> None:
    relay, witness = told
    recorder = Recorder(tmp_path, relay)
    recorder.start()
    writer = recorder.open(Whose(RECORDING, SOUND, 0.0), "opus", want_key_frame=lambda: None)
    for n, packet in enumerate(tone(1)):
        recorder.belt.bring(writer.take, [Kept(n, n * 960, 0, packet)], n / 50)
    recorder.close(writer)
    recorder.stop()
    recorder.stop()
    relay.stop()
    [one] = witness.told("recorded")
    assert one.file is not None
    assert one.file.seconds == pytest.approx(1, abs=0.03)
    assert not [one for one in threading.enumerate() if "greenroom-recording" in one.name]


def test_nothing_is_woken_by_packets_and_nothing_runs_while_nothing_is_recorded(
    tmp_path: Path, told: tuple[Relay, Witness]
) -> None:
    recorder = Recorder(tmp_path, told[0])
    looks: list[float | None] = []
    wait = recorder._awake.wait

    def watched(timeout: float | None = None) -> bool:
        looks.append(timeout)
        return wait(timeout)

    recorder._awake.wait = watched  # type: ignore[method-assign]  # to see how long it sleeps
    recorder.start()
    writer = recorder.open(Whose(RECORDING, SOUND, 0.0), "opus", want_key_frame=lambda: None)
    recorder.close(writer)
    recorder.stop()
    assert set(looks) <= {None, recorder_module.PAUSE}
    assert len(looks) < 10
