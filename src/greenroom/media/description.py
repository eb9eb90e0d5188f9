"""What a participant's session description says, read with suspicion and without a library."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import islice
from typing import Final, Literal, cast

from greenroom.domain.errors import MediaError
from greenroom.media.port import Kind

MAX_SIZE: Final = 65_536
"""Characters of a description; a browser's with 32 lines has about 40,000."""
MAX_LINES: Final = 32
"""Media lines of a description."""
MAX_CANDIDATES: Final = 128
"""Addresses of a description: each of them is sent packets."""
MAX_ROWS: Final = 32
"""Rows of one sort on a media line that are read; the rest is left out."""
_MOST_DETAILS: Final = 256

Media = Literal["audio", "video"]
CODECS: Final[dict[Media, tuple[str, ...]]] = {
    "audio": ("opus/48000/2",),
    "video": ("VP8/90000", "H264/90000"),
}
"""What is forwarded, as it is and never converted; the most wanted first."""
RESENDING: Final = "rtx/90000"

_MEDIA_LINE = re.compile(r"(audio|video) [0-9]{1,5}(?:/1)? UDP/TLS/RTP/SAVPF((?: [0-9]{1,3})+)")
_DYNAMIC = re.compile(r"9[6-9]|1[01][0-9]|12[0-7]")
_MID = re.compile(r"[A-Za-z0-9_.+-]{1,32}")
UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_FINGERPRINT = re.compile(
    r"(sha-256|sha-384|sha-512) ([0-9A-F]{2}(?::[0-9A-F]{2})+)", re.IGNORECASE
)
_CANDIDATE = re.compile(
    r"([A-Za-z0-9+/]{1,32} [12] ([A-Za-z]+) [0-9]{1,10} ([^ ]+) [0-9]{1,5} typ [a-z]+)( .*)?"
)
_EXTENSION = re.compile(r"([0-9]{1,3})(?:/[a-z]+)? ([^ ]+)( .*)?")
_PROFILE = re.compile(r"(?:.*;)? *profile-level-id=(42[0-9A-Fa-f]0[0-9A-Fa-f]{2}) *(?:;.*)?")
"""Baseline, constrained or not: what every browser decodes."""
_WHOLE_UNITS = re.compile(r"(?:.*;)? *packetization-mode=1 *(?:;.*)?")
_CONSTRAINED: Final = 0x40
_LAYERS = re.compile(r"send ([A-Za-z0-9_-]{1,16}(?:;[A-Za-z0-9_-]{1,16}){1,3})")
_SSRC = re.compile(r"[0-9]{1,10} cname:[^ ]{1,256}")
_SSRC_GROUP = re.compile(r"FID [0-9]{1,10} [0-9]{1,10}")
_OFFERING: Final = ("actpass",)
_ANSWERING: Final = ("active", "passive")
_FEEDBACK: Final = ("nack", "nack pli", "goog-remb")
_RECEIVES: Final = {"sendrecv": True, "recvonly": True, "sendonly": False, "inactive": False}
_SENDS: Final = {"sendrecv": True, "recvonly": False, "sendonly": True, "inactive": False}

_DIRECTIONS: Final = {(_SENDS[name], _RECEIVES[name]): name for name in _SENDS}

Attributes = Sequence[tuple[str, str]]
"""Name and value of each `a=` row."""


@dataclass(frozen=True, slots=True)
class Line:
    """One media line, seen from the participant."""

    mid: str
    media: Media
    sends: bool
    receives: bool
    screen: bool
    """Whether it carries a shared screen, or its sound: `a=content:slides` (RFC 4796)."""
    codecs: tuple[str, ...] = ()
    """Names of those that are negotiated; what it sends comes in the first."""
    layers: tuple[str, ...] = ()
    """Names of the streams of the same picture that it could send at once (simulcast)."""

    @property
    def kind(self) -> Kind:
        """What the participant must be allowed to send for this line to be forwarded."""
        if not self.screen:
            return self.media
        return "screenshare" if self.media == "video" else "screenshare_audio"


@dataclass(frozen=True, slots=True)
class _Format:
    """One codec of a media line."""

    number: str
    codec: str
    details: str = ""
    """The value of `a=fmtp`; empty where there is none."""
    again: str | None = None
    """The number under which its packets are sent again."""


@dataclass(frozen=True, slots=True)
class Description:
    """What matters of an offer, or of an answer."""

    lines: tuple[Line, ...]
    fingerprint: str
    """`<hash> <hex>` of the certificate on the first line, which all lines share."""
    ufrag: str
    """Of the first line."""
    sdp: str
    """The description written anew from what was understood of it, for a library to read.

    Everything is bundled onto the first line, so all lines have its candidates. Addresses are
    numbers: names are not looked up, their owners reach us without.
    """

    @classmethod
    def of_offer(cls, sdp: object) -> Description:
        """Read an offer.

        Raises:
            MediaError: it is none, too big, or lacks what a connection needs.
        """
        return cls._of(sdp, _OFFERING)

    @classmethod
    def of_answer(cls, sdp: object) -> Description:
        """Read an answer: as an offer is read, but that it says who begins (`a=setup`).

        Raises:
            MediaError: it is none, too big, or lacks what a connection needs.
        """
        return cls._of(sdp, _ANSWERING)

    @classmethod
    def _of(cls, sdp: object, setups: Collection[str]) -> Description:
        session, sections = _split(sdp)
        described = [(heading, [*session, *rows]) for heading, rows in sections]
        formats = [_formats(heading, attributes) for heading, attributes in described]
        lines = tuple(
            _line(heading, attributes, found)
            for (heading, attributes), found in zip(described, formats, strict=True)
        )
        secrets = [_secrets(attributes, setups) for _, attributes in described]
        if len({line.mid for line in lines}) < len(lines):
            raise MediaError("expected another a=mid on every media line")
        if len({one.fingerprint for one in secrets}) > 1:
            raise MediaError("expected one certificate for all media lines (bundled)")
        transport = [*_written(secrets[0]), *candidates_in(described[0][1])]
        written = ["v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=-", "t=0 0"]
        written.append(f"a=group:BUNDLE {' '.join(line.mid for line in lines)}")
        for line, found, (_, attributes) in zip(lines, formats, described, strict=True):
            written += [*_rewritten(line, found, attributes), *transport]
        first = secrets[0]
        return cls(lines, first.fingerprint, first.ufrag, "\r\n".join(written) + "\r\n")

    def continues(self, before: Description) -> bool:
        """Whether this renegotiates the connection that `before` was the last offer of.

        Raises:
            MediaError: it does, in a way that a running connection cannot follow.
        """
        if (self.fingerprint, self.ufrag) != (before.fingerprint, before.ufrag):
            return False
        kept = [(line.mid, line.kind) for line in self.lines[: len(before.lines)]]
        if kept != [(line.mid, line.kind) for line in before.lines]:
            raise MediaError("expected the media lines offered before, in their order, then others")
        return True


def _split(sdp: object) -> tuple[Attributes, Sequence[tuple[str, Attributes]]]:
    """The attributes of the session, and (heading, attributes) of each media line."""
    if not issubclass(type(sdp), str):  # an object may lie about its class
        raise MediaError(f"expected a session description as text, not {type(sdp).__name__}")
    text = str.__str__(cast("str", sdp))
    if len(text) > MAX_SIZE:
        raise MediaError(f"expected a session description of at most {MAX_SIZE} characters")
    rows = [row.strip() for row in text.splitlines()]
    if not rows or rows[0] != "v=0":
        raise MediaError("expected a session description: it begins with v=0")
    starts = [number for number, row in enumerate(rows) if row.startswith("m=")]
    if not 1 <= len(starts) <= MAX_LINES:
        raise MediaError(f"expected 1 to {MAX_LINES} media lines, not {len(starts)}")
    if sum(row.startswith("a=candidate:") for row in rows) > MAX_CANDIDATES:
        raise MediaError(f"expected at most {MAX_CANDIDATES} candidates")
    ends = [*starts[1:], len(rows)]
    sections = [
        (rows[start][2:], attributes_of(rows[start + 1 : end]))
        for start, end in zip(starts, ends, strict=True)
    ]
    return attributes_of(rows[: starts[0]]), sections


def attributes_of(rows: Sequence[str]) -> Attributes:
    """Name and value of each `a=` row."""
    parts = (row[2:].partition(":") for row in rows if row.startswith("a="))
    return [(name, value.strip()) for name, _, value in parts]


def _line(heading: str, attributes: Attributes, formats: Sequence[_Format]) -> Line:
    media = _media(heading)
    mid = next(_values(attributes, "mid"), "")
    direction = next((name for name, _ in reversed(attributes) if name in _SENDS), None)
    if not _MID.fullmatch(mid) or direction is None:
        raise MediaError("expected a=mid and a direction on every media line")
    if not any(name == "rtcp-mux" for name, _ in attributes):
        raise MediaError(f"expected a=rtcp-mux on media line {mid}")
    screen = "slides" in next(_values(attributes, "content"), "").split(",")
    codecs = tuple(dict.fromkeys(one.codec.partition("/")[0] for one in formats))
    layers = next(_matching(_LAYERS, attributes, "simulcast"), None)
    names = () if layers is None else tuple(dict.fromkeys(layers[1].split(";")))
    return Line(mid, media, _SENDS[direction], _RECEIVES[direction], screen, codecs, names)


def _media(heading: str) -> Media:
    match = _MEDIA_LINE.fullmatch(heading)
    if match is None:
        raise MediaError(
            f"expected m=audio or m=video over UDP/TLS/RTP/SAVPF, not {heading[:64]!r}"
        )
    return "audio" if match[1] == "audio" else "video"


@dataclass(frozen=True, slots=True)
class _Secrets:
    """What a line's connection is made with."""

    fingerprint: str
    ufrag: str
    password: str
    setup: str


def _secrets(attributes: Attributes, setups: Collection[str]) -> _Secrets:
    setup = next(_values(attributes, "setup"), "")
    if setup not in setups:
        offered = "an offer (a=setup:actpass), not an answer"
        answered = "an answer (a=setup:active), not an offer"
        raise MediaError(f"expected {offered if setups is _OFFERING else answered}")
    prints = (_FINGERPRINT.fullmatch(value) for value in _values(attributes, "fingerprint"))
    found = next((match for match in prints if match), None)
    ufrag, password = (next(_values(attributes, name), "") for name in ("ice-ufrag", "ice-pwd"))
    if not found or not UFRAG.fullmatch(ufrag) or not _PASSWORD.fullmatch(password):
        raise MediaError("expected a=fingerprint, a=ice-ufrag and a=ice-pwd on every media line")
    return _Secrets(f"{found[1].lower()} {found[2].upper()}", ufrag, password, setup)


def _written(secrets: _Secrets) -> Iterator[str]:
    yield f"a=fingerprint:{secrets.fingerprint}"
    yield f"a=ice-ufrag:{secrets.ufrag}"
    yield f"a=ice-pwd:{secrets.password}"
    yield f"a=setup:{secrets.setup}"


def candidates_in(attributes: Attributes) -> Iterator[str]:
    """The addresses that packets can be sent to at once."""
    for value in _values(attributes, "candidate"):
        match = _CANDIDATE.fullmatch(value)
        if match is None:
            raise MediaError(f"cannot read the candidate {value[:64]!r}")
        if match[2].lower() == "udp" and _is_address(match[3]):
            yield f"a=candidate:{match[1]}"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host  # a zone means something on the machine that wrote it alone


def _rewritten(line: Line, formats: Sequence[_Format], attributes: Attributes) -> Iterator[str]:
    """The rows of a media line that matter here, without those of its transport.

    Simulcast is left out: the participant then sends one layer, which is what is forwarded. Who
    can do more with it finds the names of the layers in `Line.layers`.
    """
    numbers = [number for one in formats for number in (one.number, one.again) if number]
    yield f"m={line.media} 9 UDP/TLS/RTP/SAVPF {' '.join(numbers)}"
    yield "c=IN IP4 0.0.0.0"
    yield f"a={_DIRECTIONS[line.sends, line.receives]}"
    yield f"a=mid:{line.mid}"
    yield "a=rtcp-mux"
    for match in _matching(_EXTENSION, attributes, "extmap"):
        yield f"a=extmap:{match[1]} {match[2]}"
    said = set(_values(attributes, "rtcp-fb"))
    for one in formats:
        yield from _rewritten_format(one, said)
    for match in _matching(_SSRC_GROUP, attributes, "ssrc-group"):
        yield f"a=ssrc-group:{match[0]}"
    for match in _matching(_SSRC, attributes, "ssrc"):
        yield f"a=ssrc:{match[0]}"


def _rewritten_format(one: _Format, said: Collection[str]) -> Iterator[str]:
    yield f"a=rtpmap:{one.number} {one.codec}"
    if one.details:
        yield f"a=fmtp:{one.number} {one.details}"
    if one.again is not None:
        yield f"a=rtpmap:{one.again} {RESENDING}"
        yield f"a=fmtp:{one.again} apt={one.number}"
    for feedback in _FEEDBACK:
        if not {f"{one.number} {feedback}", f"* {feedback}"}.isdisjoint(said):
            yield f"a=rtcp-fb:{one.number} {feedback}"


def _formats(heading: str, attributes: Attributes) -> Sequence[_Format]:
    """The codecs of a line that are forwarded, the most wanted first.

    Raises:
        MediaError: it has none of them.
    """
    media, numbers = _media(heading), heading.split()[3:]
    named: dict[str, str] = {}
    for value in _values(attributes, "rtpmap"):
        number, _, codec = value.partition(" ")
        named.setdefault(number, codec.lower())
    details: dict[str, str] = {}
    for value in islice(_values(attributes, "fmtp"), _MOST_DETAILS):
        number, _, detail = value.partition(" ")
        details.setdefault(number, detail)
    found: list[_Format] = []
    for codec in CODECS[media]:
        fitting = [n for n in numbers if named.get(n) == codec.lower() and _DYNAMIC.fullmatch(n)]
        detailed = _h264(fitting, details) if codec.startswith("H264") else {"": fitting[:1]}
        for detail, of in detailed.items():
            found += [_Format(n, codec, detail, _resending(n, numbers, named, details)) for n in of]
    if not found:
        raise MediaError(
            f"expected one of {', '.join(CODECS[media])} among the codecs of each {media} line;"
            " H264 in the baseline profile, with packetization-mode=1"
        )
    return found


def _h264(numbers: Sequence[str], details: Mapping[str, str]) -> dict[str, list[str]]:
    """Details to numbers: the first of each profile that everybody decodes."""
    found: dict[bool, tuple[str, str]] = {}
    for number in numbers:
        detail = details.get(number, "")
        match = _PROFILE.fullmatch(detail)
        if match and _WHOLE_UNITS.fullmatch(detail):
            constrained = bool(int(match[1][2:4], 16) & _CONSTRAINED)
            found.setdefault(constrained, (match[1].lower(), number))
    return {
        f"level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}": [number]
        for _, (profile, number) in sorted(found.items(), reverse=True)
    }


def _resending(
    plain: str, numbers: Sequence[str], named: Mapping[str, str], details: Mapping[str, str]
) -> str | None:
    """The number under which what has the number `plain` is sent again."""
    of_plain = re.compile(rf"(?:.*;)? *apt={plain} *(?:;.*)?")
    return next(
        (
            number
            for number in numbers
            if named.get(number) == RESENDING
            and _DYNAMIC.fullmatch(number)
            and of_plain.fullmatch(details.get(number, ""))
        ),
        None,
    )


def _matching(
    pattern: re.Pattern[str], attributes: Attributes, name: str
) -> Iterator[re.Match[str]]:
    matches = (pattern.fullmatch(value) for value in _values(attributes, name))
    return islice((match for match in matches if match), MAX_ROWS)


def _values(attributes: Attributes, name: str) -> Iterator[str]:
    return (value for key, value in attributes if key == name)
