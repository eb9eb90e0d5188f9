"""A peer in a process of its own, to be killed: offer on stdout, answer on stdin, as JSON lines."""

from __future__ import annotations

import json
import sys
import time
from typing import cast, get_args

from greenroom.testing.peer import Peer
from greenroom.testing.signs import Sign


def main() -> None:
    sign = sys.argv[1]
    assert sign in get_args(Sign)
    with Peer(cast("Sign", sign)) as peer:
        sys.stdout.write(json.dumps(peer.offer()) + "\n")
        sys.stdout.flush()
        peer.take(json.loads(sys.stdin.readline()))
        time.sleep(600)


if __name__ == "__main__":
    main()
