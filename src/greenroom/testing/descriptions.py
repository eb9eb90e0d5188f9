"""Descriptions of peers that do not exist, well-meant and hostile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from greenroom.media.description import MAX_CANDIDATES, MAX_LINES, MAX_SIZE

FINGERPRINT: Final = "sha-256 " + ":".join(["AB"] * 32)
"""What the offers of `offer_sdp` are signed with, unless told otherwise."""


def offer_sdp(
    *lines: tuple[str, str], fingerprint: str = FINGERPRINT, setup: str = "actpass"
) -> str:
    """A well-formed description of a peer that does not exist: (kind, direction) a line."""
    session = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0"]
    mids = [str(number) for number in range(len(lines))]
    session.append(f"a=group:BUNDLE {' '.join(mids)}")
    for mid, (kind, direction) in zip(mids, lines, strict=True):
        codec = "96 opus/48000/2" if kind == "audio" else "97 VP8/90000"
        session += [
            f"m={kind} 9 UDP/TLS/RTP/SAVPF {codec.partition(' ')[0]}",
            "c=IN IP4 0.0.0.0",
            f"a={direction}",
            f"a=mid:{mid}",
            "a=rtcp:9 IN IP4 0.0.0.0",
            "a=rtcp-mux",
            f"a=rtpmap:{codec}",
            "a=ice-ufrag:abcd",
            "a=ice-pwd:abcdefghijklmnopqrstuv",
            f"a=fingerprint:{fingerprint}",
            f"a=setup:{setup}",
        ]
    return "\r\n".join(session) + "\r\n"


def answer_sdp(*lines: tuple[str, str], fingerprint: str = FINGERPRINT) -> str:
    """As `offer_sdp`, for an invitation with such lines; directions are the answerer's."""
    return offer_sdp(*lines, fingerprint=fingerprint, setup="active")


TWO_WAY: Final = (("audio", "sendrecv"), ("video", "sendrecv"))
"""The lines of a plain two-party call."""

TRICKLE: Final = (
    "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n"
    "a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\n"
    "a=candidate:2 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active\r\n"
    "a=candidate:3 1 udp 2122260222 somebody.local 61765 typ host\r\n"
    "a=end-of-candidates\r\n"
)
"""Candidates for an offer of `offer_sdp`: one that can be used, and two that are left out."""

HOSTILE_FRAGMENTS: Final[Mapping[str, object]] = {
    "nothing": "",
    "not a string": b"a=ice-ufrag:abcd\r\n",
    "None": None,
    "json": '{"candidate": ""}',
    "an offer": offer_sdp(("audio", "sendrecv")),
    "too long": TRICKLE + "a=" + "x" * MAX_SIZE,
    "no connection named": TRICKLE.replace("a=ice-ufrag:", "a=ice-frag:"),
    "two connections named": TRICKLE + "a=ice-ufrag:dcba\r\n",
    "a name that is none": TRICKLE.replace("abcd", "a" * 300),
    "too many": TRICKLE + "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n" * MAX_CANDIDATES,
    "a candidate that is none": TRICKLE + "a=candidate:1 1 udp\r\n",
}
"""Fragments that nobody means well with, by what is wrong."""

HOSTILE: Final[Mapping[str, object]] = {
    "nothing": "",
    "not a string": b"v=0\r\n",
    "None": None,
    "a number": 5,
    "no description": "hello",
    "json": '{"type": "offer", "sdp": "v=0"}',
    "binary": "\x00\xff" * 100,
    "no media line": "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
    "a bare media line": "v=0\r\nm=audio\r\n",
    "a line that is no port": "v=0\r\nm=audio x UDP/TLS/RTP/SAVPF 96\r\n",
    "too long": offer_sdp(*TWO_WAY) + "a=" + "x" * MAX_SIZE,
    "too many lines": offer_sdp(*[("audio", "recvonly")] * (MAX_LINES + 1)),
    "an answer": offer_sdp(*TWO_WAY, setup="active"),
    "no certificate": offer_sdp(*TWO_WAY).replace("a=fingerprint:", "a=finger:"),
    "no credentials": offer_sdp(*TWO_WAY).replace("a=ice-pwd:", "a=ice:"),
    "twice the same line": offer_sdp(*TWO_WAY).replace("a=mid:1", "a=mid:0"),
    "no direction": offer_sdp(*TWO_WAY).replace("a=sendrecv", "a=sendrecvonly"),
    "no codec in common": offer_sdp(*TWO_WAY).replace("VP8/90000", "AV1/90000"),
    "a payload type that is none": offer_sdp(*TWO_WAY).replace("SAVPF 96", "SAVPF 4096"),
    "data channels": offer_sdp(*TWO_WAY).replace("m=video", "m=application"),
    "a candidate that is none": offer_sdp(("audio", "sendrecv")) + "a=candidate:1 1 udp\r\n",
}
"""Descriptions that nobody means well with, by what is wrong."""
