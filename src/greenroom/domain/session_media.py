"""What is known of an entry's media: its connections, what it publishes, what is muted.

A connection has an epoch, 1, 2, 3 ... in its entry. An entry may have two at once, one that sends
and one that receives; reports on one that is over are no news.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final, assert_never

from msgspec import Struct, structs

from greenroom.domain.access import Capability
from greenroom.domain.message import Instant
from greenroom.domain.session_commands import (
    ConnectMedia,
    LoseMedia,
    MeasureMedia,
    MediaReport,
    Publish,
    Unpublish,
)
from greenroom.domain.session_events import (
    MediaConnected,
    MediaEvent,
    MediaLost,
    MediaMeasured,
    MediaPublished,
    MediaUnpublished,
    Track,
)

SENDING: Final[Mapping[Track, Capability]] = {
    Track.AUDIO: Capability.SEND_AUDIO,
    Track.VIDEO: Capability.SEND_VIDEO,
    Track.SCREENSHARE: Capability.SCREENSHARE,
    Track.SCREENSHARE_AUDIO: Capability.SCREENSHARE,
}
"""What one must be allowed to, to send it."""
_MOST_EXPECTED: Final = 8
"""Numbers that are waited for: the others in between belong to connections that never stood."""


class Media(Struct, frozen=True, gc=False):
    """The media of one entry."""

    epoch: int = 0
    """Number of the last connection there is news of."""
    standing: tuple[int, ...] = ()
    """The connections that audio and video flow through."""
    expected: tuple[int, ...] = ()
    """Numbers below `epoch` of which nothing was heard: the news of two may cross."""
    fallen: tuple[int, ...] = ()
    """Those that were lost, and not measured yet."""
    published: tuple[tuple[Track, int], ...] = ()
    """What others may receive, and through which connection it comes."""
    muted: tuple[Track, ...] = ()
    """What others do not receive until whoever was muted unmutes it."""
    leaves_at: Instant | None = None
    """When the entry is put out unless it connects again."""

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What is published."""
        return tuple(track for track, _ in self.published)

    def is_news(self, epoch: int) -> bool:
        """Whether that connection is not known to be over."""
        return epoch > self.epoch or epoch in self.standing or epoch in self.expected


NO_MEDIA: Final = Media()
"""Of an entry that has never connected; of most, where media is somebody else's."""


def decide(media: Media, command: MediaReport) -> Sequence[MediaEvent]:
    """What a report on the media of an entry tells that was not known; nothing of what is over."""
    at, cid, number, epoch = command.at, command.cid, command.session, command.epoch
    entry_id = command.entry_id
    match command:
        case ConnectMedia(fingerprint=fingerprint):
            if epoch in media.standing or not media.is_news(epoch):
                return []
            return [
                MediaConnected(
                    at=at,
                    cid=cid,
                    session=number,
                    entry_id=entry_id,
                    epoch=epoch,
                    fingerprint=fingerprint,
                )
            ]
        case Publish(kind=kind):
            if epoch not in media.standing or dict(media.published).get(kind, 0) >= epoch:
                return []
            return [
                MediaPublished(
                    at=at, cid=cid, session=number, entry_id=entry_id, epoch=epoch, kind=kind
                )
            ]
        case Unpublish(kind=kind):
            return _silence(media, command, (kind,))
        case LoseMedia():
            return _lose(media, command)
        case MeasureMedia():
            return _measure(media, command)
        case _:
            assert_never(command)


def evolve(media: Media, event: MediaEvent) -> Media:
    """The media of an entry after `event`. Never refuses: what is recorded has happened."""
    epoch = event.epoch
    match event:
        case MediaConnected():
            passed = range(max(media.epoch + 1, epoch - _MOST_EXPECTED), epoch)
            return structs.replace(
                media,
                epoch=max(media.epoch, epoch),
                standing=(*_without(media.standing, epoch), epoch),
                expected=(*_without(media.expected, epoch), *passed)[-_MOST_EXPECTED:],
                leaves_at=None,
            )
        case MediaPublished(kind=kind):
            others = [one for one in media.published if one[0] is not kind]
            return structs.replace(media, published=tuple(sorted([*others, (kind, epoch)])))
        case MediaUnpublished(kind=kind):
            rest = tuple(one for one in media.published if one[0] is not kind)
            return structs.replace(media, published=rest)
        case MediaLost(leaves_at=leaves_at):
            stood = (epoch,) if epoch in media.standing else ()
            return structs.replace(
                media,
                epoch=max(media.epoch, epoch),
                standing=_without(media.standing, epoch),
                expected=_without(media.expected, epoch),
                fallen=(*media.fallen, *stood),
                leaves_at=leaves_at,
            )
        case MediaMeasured(leaves_at=leaves_at):
            return structs.replace(
                media,
                standing=_without(media.standing, epoch),
                fallen=_without(media.fallen, epoch),
                leaves_at=leaves_at,
            )
        case _:
            assert_never(event)


def _lose(media: Media, command: LoseMedia) -> Sequence[MediaEvent]:
    epoch = command.epoch
    if not media.is_news(epoch):
        return []
    stands = any(other != epoch for other in media.standing)
    return [
        *_silence(media, command),
        MediaLost(
            at=command.at,
            cid=command.cid,
            session=command.session,
            entry_id=command.entry_id,
            epoch=epoch,
            connected=stands,
            leaves_at=None if stands else _leaves_at(media, command),
        ),
    ]


def _measure(media: Media, command: MeasureMedia) -> Sequence[MediaEvent]:
    epoch = command.epoch
    if epoch not in media.standing and epoch not in media.fallen:
        return []
    stands = any(other != epoch for other in media.standing)
    return [
        *_silence(media, command),
        MediaMeasured(
            at=command.at,
            cid=command.cid,
            session=command.session,
            entry_id=command.entry_id,
            epoch=epoch,
            statistics=command.statistics,
            connected=stands,
            leaves_at=None if stands else _leaves_at(media, command),
        ),
    ]


def _leaves_at(media: Media, command: LoseMedia | MeasureMedia) -> Instant | None:
    """When an entry without a connection is put out: a vain attempt grants no more time."""
    if media.leaves_at is not None:
        return media.leaves_at
    return command.at + command.grace if command.grace > timedelta(0) else None


def _silence(
    media: Media, command: MediaReport, kinds: tuple[Track, ...] | None = None
) -> list[MediaEvent]:
    """Nothing of these kinds, or of any, comes through that connection any more."""
    return [
        MediaUnpublished(
            at=command.at,
            cid=command.cid,
            session=command.session,
            entry_id=command.entry_id,
            epoch=epoch,
            kind=kind,
        )
        for kind, epoch in media.published
        if epoch == command.epoch and (kinds is None or kind in kinds)
    ]


def muted(media: Media, tracks: Iterable[Track]) -> Media:
    """With these tracks muted as well."""
    return structs.replace(media, muted=tuple(sorted({*media.muted, *tracks})))


def unmuted(media: Media, tracks: Iterable[Track]) -> Media:
    """With these tracks muted no more."""
    return structs.replace(media, muted=tuple(sorted({*media.muted} - {*tracks})))


def _without(epochs: tuple[int, ...], epoch: int) -> tuple[int, ...]:
    return tuple(one for one in epochs if one != epoch)
