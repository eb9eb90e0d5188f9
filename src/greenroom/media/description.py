"""What a participant's session description offers, read with suspicion and without a library."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from greenroom.domain.errors import MediaError
from greenroom.media.port import Kind

MAX_SIZE: Final = 65_536
"""Characters of a description; a browser's with 32 lines has about 40,000."""
MAX_LINES: Final = 32
"""Media lines of a description."""
MAX_CANDIDATES: Final = 128
"""Addresses of a description: each of them is sent packets."""

Media = Literal["audio", "video"]
CODECS: Final[dict[Media, str]] = {"audio": "opus/48000/2", "video": "vp8/90000"}
"""The codec that everybody must offer: packets are forwarded as they are, never converted."""

_MEDIA_LINE = re.compile(r"(audio|video) ([0-9]{1,5})(?:/1)? UDP/TLS/RTP/SAVPF((?: [0-9]{1,3})+)")
_CANDIDATE = re.compile(r"[^ ]+ [12] [A-Za-z]+ [0-9]+ [^ ]+ [0-9]{1,5} typ [a-z]+(?: .*)?")
_FINGERPRINT = re.compile(
    r"(sha-256|sha-384|sha-512) ([0-9A-F]{2}(?::[0-9A-F]{2})+)", re.IGNORECASE
)
_CANDIDATES: Final = ("a=candidate:", "a=end-of-candidates")
_RECEIVES: Final = {"sendrecv": True, "recvonly": True, "sendonly": False, "inactive": False}
_SENDS: Final = {"sendrecv": True, "recvonly": False, "sendonly": True, "inactive": False}


@dataclass(frozen=True, slots=True)
class Line:
    """One media line, seen from the participant."""

    mid: str
    media: Media
    sends: bool
    receives: bool
    screen: bool
    """Whether it carries a shared screen: `a=content:slides` (RFC 4796)."""

    @property
    def kind(self) -> Kind:
        """What the participant must be allowed to send for this line to be forwarded."""
        return "screenshare" if self.screen else self.media


@dataclass(frozen=True, slots=True)
class Description:
    """What matters of an offer."""

    lines: tuple[Line, ...]
    fingerprint: str
    """`<hash> <hex>` of the certificate on the first line, which all lines share."""
    ufrag: str
    """Of the first line; another one under the same certificate is an ICE restart."""
    sdp: str
    """The text, with the first line's candidates on every line: all of them are bundled onto the
    first, whatever they offer besides."""

    @classmethod
    def of_offer(cls, sdp: object) -> Description:
        """Read an offer.

        Raises:
            MediaError: it is none, too big, or lacks what a connection needs.
        """
        session, sections = _split(sdp)
        shared = _attributes(session)
        lines: list[Line] = []
        secrets: list[tuple[str, str]] = []
        for heading, rows in sections:
            attributes = shared + _attributes(rows)
            lines.append(_line(heading, attributes))
            secrets.append(_secrets(lines[-1].mid, attributes))
        if len({line.mid for line in lines}) < len(lines):
            raise MediaError("expected another a=mid on every media line")
        if len({fingerprint for fingerprint, _ in secrets}) > 1:
            raise MediaError("expected one certificate for all media lines (bundled)")
        return cls(tuple(lines), *secrets[0], _bundled(session, sections))

    def continues(self, before: Description) -> bool:
        """Whether this renegotiates the connection that `before` was the last offer of.

        Raises:
            MediaError: it does, in a way that a running connection cannot follow.
        """
        if self.fingerprint != before.fingerprint:
            return False
        if self.ufrag != before.ufrag:
            raise MediaError("a connection cannot restart its ICE; offer from a new connection")
        kept = [(line.mid, line.kind) for line in self.lines[: len(before.lines)]]
        if kept != [(line.mid, line.kind) for line in before.lines]:
            raise MediaError("expected the media lines offered before, in their order, then others")
        return True


def _split(sdp: object) -> tuple[Sequence[str], Sequence[tuple[str, Sequence[str]]]]:
    """The rows of the session, and (heading, rows) of each media line."""
    if not isinstance(sdp, str):
        raise MediaError(f"expected a session description as text, not {type(sdp).__name__}")
    if len(sdp) > MAX_SIZE:
        raise MediaError(f"expected a session description of at most {MAX_SIZE} characters")
    rows = sdp.splitlines()
    if not rows or rows[0].strip() != "v=0":
        raise MediaError("expected a session description: it begins with v=0")
    starts = [number for number, row in enumerate(rows) if row.startswith("m=")]
    if not 1 <= len(starts) <= MAX_LINES:
        raise MediaError(f"expected 1 to {MAX_LINES} media lines, not {len(starts)}")
    if sum(row.startswith("a=candidate:") for row in rows) > MAX_CANDIDATES:
        raise MediaError(f"expected at most {MAX_CANDIDATES} candidates")
    ends = [*starts[1:], len(rows)]
    sections = [
        (rows[start][2:].strip(), rows[start + 1 : end])
        for start, end in zip(starts, ends, strict=True)
    ]
    return rows[: starts[0]], sections


def _bundled(session: Sequence[str], sections: Sequence[tuple[str, Sequence[str]]]) -> str:
    first = [row for row in sections[0][1] if row.startswith(_CANDIDATES)]
    rows = list(session)
    for heading, section in sections:
        rows.append(f"m={heading}")
        rows += [row for row in section if not row.startswith(_CANDIDATES)]
        rows += first
    return "\r\n".join(rows) + "\r\n"


def _attributes(rows: Sequence[str]) -> list[tuple[str, str]]:
    parts = (row[2:].strip().partition(":") for row in rows if row.startswith("a="))
    return [(name, value) for name, _, value in parts]


def _line(heading: str, attributes: Sequence[tuple[str, str]]) -> Line:
    match = _MEDIA_LINE.fullmatch(heading)
    if match is None:
        raise MediaError(
            f"expected m=audio or m=video over UDP/TLS/RTP/SAVPF, not {heading[:64]!r}"
        )
    media: Media = "audio" if match[1] == "audio" else "video"
    mid, numbers = next(_values(attributes, "mid"), ""), match[3].split()
    direction = next((name for name, _ in reversed(attributes) if name in _SENDS), None)
    if not mid or direction is None:
        raise MediaError("expected a=mid and a direction on every media line")
    formats = (value.partition(" ") for value in _values(attributes, "rtpmap"))
    offered = {codec.strip().lower() for number, _, codec in formats if number in numbers}
    if CODECS[media] not in offered:
        raise MediaError(f"expected {CODECS[media]} among the codecs of media line {mid}")
    if not all(_CANDIDATE.fullmatch(value) for value in _values(attributes, "candidate")):
        raise MediaError(f"cannot read a candidate of media line {mid}")
    screen = "slides" in next(_values(attributes, "content"), "").split(",")
    return Line(mid, media, _SENDS[direction], _RECEIVES[direction], screen)


def _secrets(mid: str, attributes: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Fingerprint and ICE user name of a line."""
    if next(_values(attributes, "setup"), "") != "actpass":
        raise MediaError("expected an offer (a=setup:actpass), not an answer")
    prints = [
        found
        for value in _values(attributes, "fingerprint")
        if (found := _FINGERPRINT.fullmatch(value))
    ]
    ufrag, password = (next(_values(attributes, name), "") for name in ("ice-ufrag", "ice-pwd"))
    if not prints or not ufrag or not password:
        raise MediaError(f"expected a=fingerprint, a=ice-ufrag and a=ice-pwd on media line {mid}")
    if not any(name == "rtcp-mux" for name, _ in attributes):
        raise MediaError(f"expected a=rtcp-mux on media line {mid}")
    return f"{prints[0][1].lower()} {prints[0][2].upper()}", ufrag


def _values(attributes: Sequence[tuple[str, str]], name: str) -> Iterator[str]:
    return (value for key, value in attributes if key == name)
