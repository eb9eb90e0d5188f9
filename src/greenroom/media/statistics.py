"""What is counted of connections and their lines, put into plain structures."""

from __future__ import annotations

from collections.abc import Sequence

from greenroom.domain.session_events import MediaStatistics
from greenroom.media.incoming import Incoming
from greenroom.media.lines import LineStatistics
from greenroom.media.outgoing import Outgoing
from greenroom.media.packets import HEADER
from greenroom.media.wire import Link


def of_incoming(epoch: int, incoming: Incoming) -> LineStatistics:
    """What came on a line."""
    reception = incoming.reception
    return LineStatistics(
        epoch=epoch,
        mid=incoming.line.mid,
        kind=incoming.source.kind,
        direction="in",
        codec=incoming.codec,
        source=incoming.source,
        flowing=incoming.flowing,
        packets=incoming.packets,
        bytes=_bytes(incoming.packets, incoming.octets),
        bitrate=incoming.meter.bitrate,
        lost=reception.lost,
        refused=incoming.refused,
        resent=0,
        key_frame_requests=incoming.key_frame_requests,
        jitter=reception.jitter if incoming.packets else None,
        round_trip=incoming.round_trip,
    )


def of_outgoing(epoch: int, outgoing: Outgoing) -> LineStatistics:
    """What went out on a slot."""
    packets, octets = outgoing.sent
    incoming, reported = outgoing.incoming, outgoing.reported
    return LineStatistics(
        epoch=epoch,
        mid=outgoing.line.mid,
        kind=outgoing.line.kind,
        direction="out",
        codec=incoming.codec if incoming is not None else "",
        source=incoming.source if incoming is not None else None,
        flowing=incoming is not None and incoming.flowing,
        packets=packets,
        bytes=_bytes(packets, octets),
        bitrate=outgoing.meter.bitrate,
        lost=reported.packets_lost if reported is not None else 0,
        refused=0,
        resent=outgoing.resent,
        key_frame_requests=0,
        jitter=outgoing.jitter,
        round_trip=outgoing.round_trip,
    )


def of_connection(
    seconds: float, link: Link, incoming: Sequence[Incoming], outgoing: Sequence[Outgoing]
) -> MediaStatistics:
    """What went through all lines of a connection."""
    sent = [one.sent for one in outgoing]
    jitters = [one.reception.jitter for one in incoming if one.packets]
    reported = [one.reported.packets_lost for one in outgoing if one.reported is not None]
    packets_sent = sum(packets for packets, _ in sent)
    packets_received = sum(one.packets for one in incoming)
    return MediaStatistics(
        seconds=seconds,
        packets_received=packets_received,
        bytes_received=_bytes(packets_received, sum(one.octets for one in incoming)),
        packets_sent=packets_sent,
        bytes_sent=_bytes(packets_sent, sum(octets for _, octets in sent)),
        packets_lost=sum(one.reception.lost for one in incoming) + sum(max(0, n) for n in reported),
        key_frame_requests=sum(one.key_frame_requests for one in incoming),
        round_trip=link.round_trip,
        jitter=max(jitters) if jitters else None,
    )


def _bytes(packets: int, octets: int) -> int:
    return octets + packets * HEADER.size
