"""Whatever strangers send is read as it was written, or refused: laws that are fuzzed, too.

Here each is tried some dozens of times; `nox -s fuzz` tries them for a minute each, guided by the
branches that an input reaches. What that finds becomes an `@example` here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.fuzz.edits import edited, shuffled_rows
from tests.projections.worlds import filters

from greenroom.domain import checks
from greenroom.domain.errors import (
    InvalidCursor,
    InvalidFilter,
    InvalidInput,
    InvalidSort,
    MediaError,
)
from greenroom.domain.instants import micros_of
from greenroom.media.description import Description
from greenroom.media.fragment import Fragment
from greenroom.projections.cursor import Cursor, Signer
from greenroom.projections.parse import MAX_NODES, parse, parse_sort
from greenroom.projections.query import asc, comparisons, holds
from greenroom.projections.questions import CALL_FIELDS, MEMBER_FIELDS
from greenroom.testing.descriptions import TRICKLE, TWO_WAY, answer_sdp, offer_sdp

T = TypeVar("T")
R = TypeVar("R", bound=Exception)


def read_or_refused(read: Callable[[], T], refusal: type[R]) -> T | R:
    """What is read, or how it is refused; whatever else is raised fails the law."""
    try:
        return read()
    except refusal as told:
        return told


words = st.sampled_from(
    [
        *("$and", "$or", "$nor", "$eq", "$ne", "$in", "$nin", "$gt", "$lte", "$exists"),
        *("$contains", "$autocomplete", "$not", "cid", "role", "members", "custom", "custom.a"),
        *("custom.a.b", "user.name", "user.custom.a", "starts_at", "backstage", "", ".", "custom."),
    ]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | words
    | st.sampled_from([2**53, 2**53 + 1, "2026-01-31T12:00:00Z", "2026-02-30T12:00:00Z"])
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.text(), inner),
    max_leaves=12,
)
rows = st.dictionaries(st.sampled_from(sorted(CALL_FIELDS.kinds)), scalars, max_size=5)


@given(said=filters(CALL_FIELDS) | st.dictionaries(words, anything) | anything, row=rows)
def test_a_filter_is_refused_with_its_place_or_is_true_of_a_row_or_not(
    said: Any, row: Mapping[str, object]
) -> None:
    found = read_or_refused(lambda: parse(said, CALL_FIELDS), InvalidFilter)
    if isinstance(found, InvalidFilter):
        assert found.path.startswith("filters")
        assert found.expected
        return
    assert parse(said, CALL_FIELDS) == found
    assert len(list(comparisons(found))) <= MAX_NODES
    opposite = read_or_refused(lambda: parse({"$nor": [said]}, CALL_FIELDS), InvalidFilter)
    if isinstance(opposite, InvalidFilter):  # that is too deep, or nothing to negate
        return
    here = {"members": (), "custom": {}, **row}
    assert holds(opposite, here) is not holds(found, here)


@given(said=st.lists(st.builds(asc, words | st.text()) | anything, max_size=3) | anything)
def test_a_sort_is_refused_with_its_place_or_tells_all_rows_apart(said: Any) -> None:
    keys = read_or_refused(lambda: parse_sort(said, MEMBER_FIELDS), InvalidSort)
    if isinstance(keys, InvalidSort):
        assert keys.path.startswith("sort")
        assert keys.expected
        return
    assert keys[-1].field == "user_id"


cursors = st.builds(
    Cursor,
    st.lists(
        st.text() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False),
        max_size=3,
    ).map(tuple),
    st.booleans(),
    st.booleans(),
)


@given(cursor=cursors, data=st.data())
def test_a_cursor_is_read_as_it_was_written_or_refused(cursor: Cursor, data: st.DataObject) -> None:
    signer = Signer(b"secret", lambda: ["calls", "alice"])
    written = signer.write(cursor)
    assert signer.read(written) == cursor
    said = data.draw(edited(written, st.text(max_size=4)) | anything)
    read = read_or_refused(lambda: signer.read(said), InvalidCursor)
    assert isinstance(read, InvalidCursor) or read == cursor
    with pytest.raises(InvalidCursor):
        Signer(b"secret", lambda: ["calls", "charlie"]).read(written)


attributes = st.sampled_from(
    [
        *("a=mid:1", "a=sendonly", "a=inactive", "a=rtcp-mux", "a=setup:passive", "a=end"),
        *("m=video 9 UDP/TLS/RTP/SAVPF 97", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel"),
        *("a=rtpmap:98 rtx/90000", "a=fmtp:98 apt=97", "a=rtpmap:99 H264/90000"),
        *("a=fmtp:99 profile-level-id=42e01f;packetization-mode=1", "a=rtcp-fb:97 nack pli"),
        *("a=simulcast:send h;l", "a=rid:h send", "a=rid:l send", "a=content:slides"),
        *("a=candidate:1 1 udp 1 192.0.2.1 9 typ host", "a=candidate:1 1 udp 1 ::1 9 typ host"),
        *("a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid", "a=ssrc:1 cname:c", "a=ssrc:2 cname:d"),
        *("a=ssrc-group:FID 1 2", "a=ice-ufrag:dcba", "a=fingerprint:sha-256 AB", "", "a=", "v=0"),
    ]
) | st.text(max_size=40)


def _like(whole: str) -> st.SearchStrategy[str]:
    """What resembles `whole`, by its rows and by its characters."""
    return shuffled_rows(whole, attributes).flatmap(lambda one: edited(one, st.text(max_size=6)))


@given(sdp=_like(offer_sdp(*TWO_WAY)))
@example(sdp=offer_sdp(*TWO_WAY).replace("t=0 0", "a=content:slides"))
def test_an_offer_is_refused_or_means_what_is_written_of_it(sdp: str) -> None:
    _means_what_is_written(Description.of_offer, sdp)


@given(sdp=_like(answer_sdp(*TWO_WAY)))
def test_an_answer_is_refused_or_means_what_is_written_of_it(sdp: str) -> None:
    _means_what_is_written(Description.of_answer, sdp)


def _means_what_is_written(read: Callable[[object], Description], sdp: str) -> None:
    found = read_or_refused(lambda: read(sdp), MediaError)
    if isinstance(found, MediaError):
        return
    assert _for_a_library(read(found.sdp)) == _for_a_library(found)


def _for_a_library(found: Description) -> Description:
    """Without what is not written anew: which line carries a screen, and names of layers."""
    lines = tuple(replace(line, screen=False, layers=()) for line in found.lines)
    return replace(found, sdp="", lines=lines)


@given(said=_like(TRICKLE))
def test_a_fragment_is_refused_or_names_one_connection(said: str) -> None:
    found = read_or_refused(lambda: Fragment.of(said), MediaError)
    if isinstance(found, MediaError):
        return
    rows = [f"a=candidate:{one}" for one in found.candidates]
    assert Fragment.of("\r\n".join([f"a=ice-ufrag:{found.ufrag}", *rows])) == found


@given(said=anything)
def test_custom_data_is_copied_exactly_or_refused(said: Any) -> None:
    copied = read_or_refused(lambda: checks.custom(said, "custom", 512), InvalidInput)
    if isinstance(copied, InvalidInput):
        assert copied.path.startswith("custom")
        return
    assert copied == said
    assert len(json.dumps(copied, ensure_ascii=False, separators=(",", ":")).encode()) <= 512
    assert checks.custom(copied, "custom", 512) == copied


@given(said=edited("2026-01-31T12:00:00.123456+01:00", st.text("0123456789-+:.TZz ", max_size=4)))
def test_an_instant_is_the_same_in_any_case(said: str) -> None:
    assert micros_of(said.lower()) == micros_of(said.upper())
