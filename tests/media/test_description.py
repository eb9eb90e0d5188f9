from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.domain.errors import MediaError
from greenroom.media.description import MAX_CANDIDATES, MAX_LINES, Description
from greenroom.testing.media import FINGERPRINT, HOSTILE, TWO_WAY, offer_sdp

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
LINES = st.lists(
    st.tuples(st.sampled_from(["audio", "video"]), st.sampled_from(DIRECTIONS)),
    min_size=1,
    max_size=MAX_LINES,
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
    sdp = offer_sdp(("audio", "sendonly"), ("video", "sendonly")).replace(
        "a=mid:1", "a=mid:1\r\na=content:slides"
    )
    assert [line.kind for line in Description.of_offer(sdp).lines] == ["audio", "screenshare"]


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


@pytest.mark.parametrize(
    "again",
    [
        offer_sdp(("audio", "sendrecv")),
        offer_sdp(("video", "sendrecv"), ("audio", "sendrecv")),
        offer_sdp(*TWO_WAY).replace("a=ice-ufrag:abcd", "a=ice-ufrag:efgh"),
        offer_sdp(*TWO_WAY).replace("a=mid:1", "a=mid:1\r\na=content:slides"),
    ],
    ids=["a line less", "another order", "an ICE restart", "a camera become a screen"],
)
def test_a_running_connection_follows_no_offer_that_breaks_with_the_last(again: str) -> None:
    before = Description.of_offer(offer_sdp(*TWO_WAY))
    with pytest.raises(MediaError):
        Description.of_offer(again).continues(before)


def test_all_lines_carry_the_candidates_of_the_first_onto_which_they_are_bundled() -> None:
    first, second = (f"a=candidate:1 1 udp 1 192.0.2.{n} 40000 typ host" for n in (1, 2))
    audio, _, video = offer_sdp(*TWO_WAY).partition("m=video")
    offered = f"{audio}{first}\r\nm=video{video}{second}\r\na=end-of-candidates\r\n"
    sdp = Description.of_offer(offered).sdp
    assert sdp.count(first) == 2
    assert second not in sdp
    assert "a=end-of-candidates" not in sdp
