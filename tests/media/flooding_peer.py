"""A peer in a process of its own that sends sound as fast as it can, and not as it should.

Offer on stdout, answer on stdin, as JSON lines; then, each second, how many packets were sent.
"""

from __future__ import annotations

import json
import struct
import sys
import time
from typing import Any

from greenroom.testing.peer import Peer

PAYLOAD = b"\xfc" + bytes(79)


def main(seconds: float) -> None:
    with Peer("yellow") as peer:
        tell(peer.offer(others=0, sends=("audio",)))
        peer.take(json.loads(sys.stdin.readline()))
        (line,) = peer._connection.getTransceivers()
        dtls: Any = line.sender.transport
        while dtls.state != "connected":
            time.sleep(0.01)
        line.sender.replaceTrack(None)
        time.sleep(1.5)  # then another stream of the line is taken
        flood(dtls, line.sender._ssrc ^ 1, 96, time.monotonic() + seconds)


def flood(dtls: Any, ssrc: int, payload_type: int, until: float) -> None:
    pair = dtls.transport._connection._nominated[1]
    send, to = pair.protocol.transport._sock.sendto, pair.remote_addr
    protect = dtls._tx_srtp.protect
    number = sent = 0
    told = time.monotonic()
    while (now := time.monotonic()) < until:
        for _ in range(100):
            number = number + 1 & 0xFFFF
            header = struct.pack("!BBHLL", 0x80, payload_type, number, number * 960, ssrc)
            try:
                send(protect(header + PAYLOAD), to)
                sent += 1
            except BlockingIOError:
                pass
        if now - told > 1:
            tell(sent)
            told, sent = now, 0


def tell(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]))
