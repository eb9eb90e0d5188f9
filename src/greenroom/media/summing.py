"""What was counted of several connections, in one."""

from __future__ import annotations

from collections.abc import Sequence

from greenroom.domain.session_events import MediaStatistics


def together(some: Sequence[MediaStatistics]) -> MediaStatistics:
    """One entry's connections, summed up."""
    trips = [one.round_trip for one in some if one.round_trip is not None]
    jitters = [one.jitter for one in some if one.jitter is not None]
    return MediaStatistics(
        seconds=max((one.seconds for one in some), default=0.0),
        packets_received=sum(one.packets_received for one in some),
        bytes_received=sum(one.bytes_received for one in some),
        packets_sent=sum(one.packets_sent for one in some),
        bytes_sent=sum(one.bytes_sent for one in some),
        packets_lost=sum(one.packets_lost for one in some),
        key_frame_requests=sum(one.key_frame_requests for one in some),
        round_trip=max(trips, default=None),
        jitter=max(jitters, default=None),
    )
