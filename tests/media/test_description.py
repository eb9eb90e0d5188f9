from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.domain.errors import MediaError
from greenroom.media.description import MAX_CANDIDATES, Description
from greenroom.testing.media import FINGERPRINT, HOSTILE, TWO_WAY, offer_sdp

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
LINES = st.lists(
    st.tuples(st.sampled_from(["audio", "video"]), st.sampled_from(DIRECTIONS)),
    min_size=1,
    max_size=8,
)


@given(LINES)
def test_every_line_says_what_it_sends_and_receives(lines: list[tuple[str, str]]) -> None:
    offered = Description.of_offer(offer_sdp(*lines))
    assert [(line.media, line.sends, line.receives) for line in offered.lines] == [
        (kind, direction in {"sendrecv", "sendonly"}, direction in {"sendrecv", "recvonly"})
        for kind, direction in lines
    ]
    assert offered.fingerprint == FINGERPRINT


@given(LINES, st.data())
def test_a_damaged_offer_is_read_or_refused_and_nothing_else(
    lines: list[tuple[str, str]], data: st.DataObject
) -> None:
    rows = offer_sdp(*lines).splitlines()
    number = data.draw(st.integers(0, len(rows) - 1))
    rows[number : number + data.draw(st.integers(0, 3))] = data.draw(
        st.lists(st.text(), max_size=2)
    )
    with contextlib.suppress(MediaError):
        Description.of_offer("\r\n".join(rows))


@given(st.text())
def test_text_that_is_no_offer_is_refused(text: str) -> None:
    with pytest.raises(MediaError):
        Description.of_offer(text)


@pytest.mark.parametrize("wrong", HOSTILE)
def test_every_hostile_offer_is_refused(wrong: str) -> None:
    with pytest.raises(MediaError):
        Description.of_offer(HOSTILE[wrong])


def test_a_line_with_slides_needs_the_right_to_share_the_screen() -> None:
    lines = [("audio", "sendonly"), ("video", "sendonly"), ("audio", "sendonly")]
    sdp = offer_sdp(*lines)
    for mid in (1, 2):
        sdp = sdp.replace(f"a=mid:{mid}", f"a=mid:{mid}\r\na=content:slides")
    kinds = [line.kind for line in Description.of_offer(sdp).lines]
    assert kinds == ["audio", "screenshare", "screenshare_audio"]


def test_more_candidates_than_anybody_has_are_refused() -> None:
    candidate = "a=candidate:1 1 udp 2130706431 192.0.2.1 40000 typ host\r\n"
    Description.of_offer(offer_sdp(*TWO_WAY) + candidate * MAX_CANDIDATES)
    with pytest.raises(MediaError, match="candidates"):
        Description.of_offer(offer_sdp(*TWO_WAY) + candidate * (MAX_CANDIDATES + 1))


def test_the_same_certificate_continues_a_connection_and_may_add_lines() -> None:
    before = Description.of_offer(offer_sdp(*TWO_WAY))
    after = Description.of_offer(offer_sdp(*TWO_WAY, ("audio", "recvonly"), ("video", "recvonly")))
    assert after.continues(before)


def test_another_certificate_is_another_connection() -> None:
    before = Description.of_offer(offer_sdp(*TWO_WAY))
    other = Description.of_offer(
        offer_sdp(*TWO_WAY, fingerprint="sha-256 " + ":".join(["CD"] * 32))
    )
    assert not other.continues(before)


def test_other_credentials_under_the_same_certificate_are_another_connection() -> None:
    before = Description.of_offer(offer_sdp(*TWO_WAY))
    other = Description.of_offer(offer_sdp(*TWO_WAY).replace("ufrag:abcd", "ufrag:efgh"))
    assert not other.continues(before)


@pytest.mark.parametrize(
    "again",
    [
        offer_sdp(("audio", "sendrecv")),
        offer_sdp(("video", "sendrecv"), ("audio", "sendrecv")),
        offer_sdp(*TWO_WAY).replace("a=mid:1", "a=mid:1\r\na=content:slides"),
    ],
    ids=["a line less", "another order", "a camera become a screen"],
)
def test_a_running_connection_follows_no_offer_that_breaks_with_the_last(again: str) -> None:
    before = Description.of_offer(offer_sdp(*TWO_WAY))
    with pytest.raises(MediaError):
        Description.of_offer(again).continues(before)


HOST = "a=candidate:1 1 udp 1 {} 40000 typ host"


def test_all_lines_carry_the_candidates_of_the_first_onto_which_they_are_bundled() -> None:
    audio, _, video = offer_sdp(*TWO_WAY).partition("m=video")
    first, second = HOST.format("192.0.2.1"), HOST.format("192.0.2.2")
    sdp = Description.of_offer(f"{audio}{first}\r\nm=video{video}{second}\r\n").sdp
    assert sdp.count(first) == 2
    assert second not in sdp


@pytest.mark.parametrize(
    ("host", "kept"),
    [
        ("192.0.2.1", 1),
        ("2001:db8::1", 1),
        ("6d1a.local", 0),
        ("fe80::1%eth0", 0),
        ("example.org", 0),
        ("1.2.3", 0),
    ],
)
def test_names_are_never_looked_up_for_a_stranger(host: str, kept: int) -> None:
    sdp = Description.of_offer(offer_sdp(("audio", "sendrecv")) + HOST.format(host)).sdp
    assert sdp.count("a=candidate") == kept


BROWSER = """a=rtpmap:45 AV1/90000
a=rtpmap:99 H264/90000
a=fmtp:99 packetization-mode=1
a=rtpmap:100 rtx/90000
a=fmtp:100 apt=99
a=rtpmap:98 rtx/90000
a=fmtp:98 rtx-time=200;apt=97
a=rtcp-fb:97 nack pli
a=rtcp-fb:97 transport-cc
a=extmap:3/recvonly urn:ietf:params:rtp-hdrext:sdes:mid
a=ssrc-group:FID 11 12
a=ssrc:11 cname:x
a=ssrc:12 cname:x
a=rid:h send
a=simulcast:send h;l
"""


def test_what_a_browser_says_beyond_what_is_understood_reaches_no_library() -> None:
    said = offer_sdp(("video", "sendrecv")).replace("SAVPF 97", "SAVPF 45 97 98 99 100") + BROWSER
    sdp = Description.of_offer(said).sdp
    assert "m=video 9 UDP/TLS/RTP/SAVPF 97 98\r\n" in sdp
    section = sdp.partition("a=rtcp-mux\r\n")[2].splitlines()
    assert section[:8] == [
        "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=rtpmap:97 VP8/90000",
        "a=rtpmap:98 rtx/90000",
        "a=fmtp:98 apt=97",
        "a=rtcp-fb:97 nack pli",
        "a=ssrc-group:FID 11 12",
        "a=ssrc:11 cname:x",
        "a=ssrc:12 cname:x",
    ]
    assert len(section) == 12  # fingerprint, user name, password, role


@pytest.mark.parametrize(
    ("said", "layers"),
    [
        ("a=simulcast:send h;l", ("h", "l")),
        ("a=simulcast:send whole;half;quarter", ("whole", "half", "quarter")),
        ("a=simulcast:send h;h;l", ("h", "l")),
        ("a=simulcast:recv h;l", ()),
        ("a=simulcast:send h", ()),
        ("a=simulcast:send h,l;~x", ()),
        ("a=simulcast:send a;b;c;d;e", ()),
        (f"a=simulcast:send {'h' * 17};l", ()),
        ("a=rid:h send", ()),
    ],
)
def test_the_layers_of_a_picture_have_names(said: str, layers: tuple[str, ...]) -> None:
    description = Description.of_offer(offer_sdp(("video", "sendonly")) + said + "\r\n")
    assert description.lines[0].layers == layers
    assert "simulcast" not in description.sdp


H264 = """a=rtpmap:{0} H264/90000
a=fmtp:{0} level-asymmetry-allowed=1;packetization-mode={1};profile-level-id={2}
"""


def video_with(*formats: tuple[int, int, str]) -> Description:
    """What is read of a line with H.264 as (number, packetization mode, profile), without VP8."""
    numbers = " ".join(str(number) for number, _, _ in formats)
    said = offer_sdp(("video", "sendrecv")).replace("SAVPF 97", f"SAVPF {numbers}")
    return Description.of_offer(said + "".join(H264.format(*one) for one in formats))


def test_h264_is_taken_in_the_profiles_that_everybody_decodes() -> None:
    read = video_with(
        (100, 0, "42e01f"), (101, 1, "640c1f"), (102, 1, "42001f"), (103, 1, "42E034")
    )
    assert "m=video 9 UDP/TLS/RTP/SAVPF 103 102\r\n" in read.sdp
    assert "a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e034" in (
        read.sdp
    )
    assert read.lines[0].codecs == ("H264",)


@pytest.mark.parametrize("only", [(100, 0, "42e01f"), (100, 1, "640c1f"), (100, 1, "x")])
def test_h264_that_only_some_decode_is_no_codec_in_common(only: tuple[int, int, str]) -> None:
    with pytest.raises(MediaError, match="H264"):
        video_with(only)


def test_a_line_with_both_codecs_takes_both_and_sends_vp8() -> None:
    said = offer_sdp(("video", "sendrecv")).replace("SAVPF 97", "SAVPF 100 97")
    assert Description.of_offer(said + H264.format(100, 1, "42e01f")).lines[0].codecs == (
        "VP8",
        "H264",
    )


@given(LINES)
def test_an_offer_that_was_written_anew_reads_the_same(lines: list[tuple[str, str]]) -> None:
    read = Description.of_offer(offer_sdp(*lines))
    assert Description.of_offer(read.sdp) == read


def test_a_description_full_of_rows_is_read_in_no_time() -> None:
    rows = "".join(f"a=rtpmap:{n % 90 + 10} x{n}/90000\r\n" for n in range(1400))
    sdp = Description.of_offer(offer_sdp(*TWO_WAY) + rows + "a=rtcp-fb:* x\r\n" * 1700).sdp
    assert len(sdp) < 2000
