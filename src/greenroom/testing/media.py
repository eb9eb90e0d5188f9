"""Media without media: a port that opens nothing, and offers of peers that do not exist.

Nothing in here loads a media library. The exam that every port has to pass is in
`greenroom.testing.media_contract`, a real peer for tests in `greenroom.testing.peer`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from greenroom.domain.errors import MediaError
from greenroom.domain.message import EntryId
from greenroom.domain.session_events import MediaStatistics
from greenroom.media.description import MAX_CANDIDATES, MAX_LINES, MAX_SIZE, Description
from greenroom.media.fragment import Fragment
from greenroom.media.port import Kind, MediaEntry, MediaObserver, Source

FINGERPRINT: Final = "sha-256 " + ":".join(["AB"] * 32)
"""What the offers of `offer_sdp` are signed with, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that a port was told to do."""

    what: Literal["start", "open", "close", "offer", "hang_up", "stop"]
    entry_id: EntryId | None = None
    may_send: frozenset[Kind] | None = None
    """Only with `open`."""


class FakeMedia:
    """A MediaPort that opens nothing, remembers what it was told, and does as the test says.

    `connect`, `publish`, `unpublish` and `lose` report to the observer on the calling thread, as
    a peer's doings would; so does what ends a connection. `fail` makes it refuse an entry until
    `recover`.
    """

    def __init__(self) -> None:
        self.told: list[Told] = []
        """Everything that was asked of it, in order, refused or not."""
        self._observer: MediaObserver | None = None
        self._entries: dict[EntryId, MediaEntry] = {}
        self._offers: dict[EntryId, Description] = {}
        self._epochs: dict[EntryId, int] = {}
        """The last connection of each open entry."""
        self._connections: dict[EntryId, dict[int, MediaStatistics]] = {}
        """Those that stand."""
        self._failing: set[EntryId] = set()
        self._stopped = False
        self._lock = threading.RLock()

    def start(self, observer: MediaObserver) -> None:
        """Get ready; report to `observer` from now on."""
        self.told.append(Told("start"))
        self._observer = observer

    def open(self, entry: MediaEntry) -> None:
        """Remember the entry, instead of the one of the same id."""
        with self._lock:
            self.told.append(Told("open", entry.entry_id, entry.may_send))
            if self._observer is None or self._stopped:
                raise MediaError("media is not running; start it first")
            self._refuse_failing(entry.entry_id)
            self._entries[entry.entry_id] = entry
            before = self._epochs.get(entry.entry_id, 0)
            self._epochs[entry.entry_id] = max(before, entry.epoch)

    def close(self, entry_id: EntryId) -> None:
        """Forget the entry."""
        with self._lock:
            self.told.append(Told("close", entry_id))
            self._refuse_failing(entry_id)
        self._forget(entry_id)

    def offer(self, entry_id: EntryId, sdp: str) -> str:
        """A description that answers nothing; hostile offers are refused as any port does."""
        with self._lock:
            self.told.append(Told("offer", entry_id))
            self._open_entry(entry_id)
            self._offers[entry_id] = Description.of_offer(sdp)
            return "v=0\r\ns=fake\r\n"

    def candidates(self, entry_id: EntryId, fragment: str) -> None:
        """Refused where they belong to another offer than the entry's last, else forgotten."""
        with self._lock:
            self._open_entry(entry_id)
            offered, told = self._offers.get(entry_id), Fragment.of(fragment)
            if offered is None or offered.ufrag != told.ufrag:
                raise MediaError("no connection has this a=ice-ufrag")

    def hang_up(self, entry_id: EntryId, ufrag: str) -> bool:
        """End the entry's last connection, if this was its offer."""
        with self._lock:
            self.told.append(Told("hang_up", entry_id))
            offered = self._offers.get(entry_id)
            if offered is None or offered.ufrag != ufrag:
                return offered is not None
            del self._offers[entry_id]
        if self._connections.get(entry_id):
            self.end(entry_id)
        return False

    def slots(self, entry_id: EntryId) -> Mapping[str, Source | None]:
        """The lines of the entry's offer that can receive; nothing is ever put on them."""
        with self._lock:
            self._open_entry(entry_id)
            offered = self._offers.get(entry_id)
            return {line.mid: None for line in offered.lines if line.receives} if offered else {}

    def statistics(self) -> Mapping[EntryId, MediaStatistics]:
        """As the test said last: of each entry that is connected."""
        with self._lock:
            return {
                entry_id: list(connections.values())[-1]
                for entry_id, connections in self._connections.items()
                if connections
            }

    def entries(self) -> frozenset[EntryId]:
        """Those open now."""
        with self._lock:
            return frozenset(self._entries)

    def stop(self) -> None:
        """Forget every entry."""
        self.told.append(Told("stop"))
        self._stopped = True
        for entry_id in tuple(self._entries):
            self._forget(entry_id)

    def entry(self, entry_id: EntryId) -> MediaEntry:
        """An open entry as it was told last.

        Raises:
            MediaError: it is not open.
        """
        return self._open_entry(entry_id)

    def connect(self, entry_id: EntryId, fingerprint: str = FINGERPRINT) -> int:
        """A peer of this entry came through, over a connection more.

        Returns:
            The epoch of that connection.

        Raises:
            MediaError: the entry is not open.
        """
        with self._lock:
            self._open_entry(entry_id)
            epoch = self._epochs[entry_id] = self._epochs[entry_id] + 1
            self._connections.setdefault(entry_id, {})[epoch] = MediaStatistics()
        self._observing().connected(entry_id, epoch, fingerprint)
        return epoch

    def publish(self, entry_id: EntryId, kind: Kind, *, epoch: int | None = None) -> None:
        """Something of this kind arrives, over the entry's last connection or the one named."""
        self._observing().published(entry_id, self._last(entry_id, epoch), kind)

    def unpublish(self, entry_id: EntryId, kind: Kind, *, epoch: int | None = None) -> None:
        """Nothing of this kind arrives any more."""
        self._observing().unpublished(entry_id, self._last(entry_id, epoch), kind)

    def measure(
        self, entry_id: EntryId, statistics: MediaStatistics, *, epoch: int | None = None
    ) -> None:
        """So much went through a connection, by now."""
        with self._lock:
            self._connections[entry_id][self._last(entry_id, epoch)] = statistics

    def lose(self, entry_id: EntryId, *, epoch: int | None = None) -> None:
        """A peer of this entry is gone without having left; one that never came, if none had."""
        with self._lock:
            if epoch is None and not self._connections.get(entry_id):
                epoch = self._epochs[entry_id] = self._last(entry_id, None) + 1
        epoch = self._last(entry_id, epoch)
        self._observing().lost(entry_id, epoch)
        self.end(entry_id, epoch=epoch)

    def end(self, entry_id: EntryId, *, epoch: int | None = None) -> None:
        """A connection is over; one that is over already is not told of again."""
        epoch = self._last(entry_id, epoch)
        with self._lock:
            statistics = self._connections.get(entry_id, {}).pop(epoch, None)
        if statistics is not None:
            self._observing().ended(entry_id, epoch, statistics)

    def fail(self, entry_id: EntryId) -> None:
        """Refuse to open or close this entry from now on."""
        self._failing.add(entry_id)

    def recover(self, entry_id: EntryId) -> None:
        """Do as told again."""
        self._failing.discard(entry_id)

    def _forget(self, entry_id: EntryId) -> None:
        """End the entry's connections, and know it no more."""
        for epoch in tuple(self._connections.get(entry_id, ())):
            self.end(entry_id, epoch=epoch)
        with self._lock:
            for known in (self._entries, self._offers, self._epochs, self._connections):
                known.pop(entry_id, None)

    def _last(self, entry_id: EntryId, epoch: int | None) -> int:
        return self._epochs.get(entry_id, 0) if epoch is None else epoch

    def _observing(self) -> MediaObserver:
        assert self._observer is not None, "start the media first"
        return self._observer

    def _open_entry(self, entry_id: EntryId) -> MediaEntry:
        entry = self._entries.get(entry_id)
        if entry is None:
            raise MediaError(f"entry {entry_id} is not open; join first")
        return entry

    def _refuse_failing(self, entry_id: EntryId) -> None:
        if entry_id in self._failing:
            raise MediaError(f"told to fail for entry {entry_id}")


@dataclass(frozen=True, slots=True)
class News:
    """One thing that media reported."""

    what: Literal["connected", "published", "unpublished", "lost", "ended"]
    entry_id: EntryId
    epoch: int
    fingerprint: str = ""
    """Only with `connected`."""
    kind: Kind | None = None
    """Only with `published` and `unpublished`."""
    statistics: MediaStatistics | None = None
    """Only with `ended`."""


@dataclass
class Witness:
    """A MediaObserver that remembers what it heard, and lets a test wait for it."""

    news: list[News] = field(default_factory=list)
    """Everything, in the order it was told."""
    _arrived: threading.Condition = field(default_factory=threading.Condition, repr=False)

    @property
    def connections(self) -> list[tuple[EntryId, str]]:
        """(entry, fingerprint) pairs in the order they were told."""
        return [(one.entry_id, one.fingerprint) for one in self.told("connected")]

    @property
    def losses(self) -> list[EntryId]:
        """Entries in the order they were told."""
        return [one.entry_id for one in self.told("lost")]

    def told(self, what: str, entry_id: EntryId | None = None) -> list[News]:
        """The news of one sort, of everybody or of one entry."""
        return [one for one in self.news if one.what == what and entry_id in (None, one.entry_id)]

    def connected(self, entry_id: EntryId, epoch: int, fingerprint: str) -> None:
        """Remember it."""
        self._hear(News("connected", entry_id, epoch, fingerprint=fingerprint))

    def published(self, entry_id: EntryId, epoch: int, kind: Kind) -> None:
        """Remember it."""
        self._hear(News("published", entry_id, epoch, kind=kind))

    def unpublished(self, entry_id: EntryId, epoch: int, kind: Kind) -> None:
        """Remember it."""
        self._hear(News("unpublished", entry_id, epoch, kind=kind))

    def lost(self, entry_id: EntryId, epoch: int) -> None:
        """Remember it."""
        self._hear(News("lost", entry_id, epoch))

    def ended(self, entry_id: EntryId, epoch: int, statistics: MediaStatistics) -> None:
        """Remember it."""
        self._hear(News("ended", entry_id, epoch, statistics=statistics))

    def heard(self, enough: Callable[[Witness], bool], timeout: float = 10) -> bool:
        """Wait until `enough` says so; False after `timeout` seconds."""
        with self._arrived:
            return self._arrived.wait_for(lambda: enough(self), timeout)

    def _hear(self, news: News) -> None:
        with self._arrived:
            self.news.append(news)
            self._arrived.notify_all()


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
