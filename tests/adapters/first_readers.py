"""A process whose threads read the same records for the first time, all at once."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from greenroom import snapshots
from greenroom.adapters import codec
from greenroom.domain.streams import DECIDERS

GOLDEN = Path(__file__).parent.parent / "house" / "golden" / "stored_events.jsonl"
THREADS = 8


def main() -> None:
    """Say how many records were read, in all."""
    lines = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
    rows = [(1, one["stream"], one["version"], one["name"], one["state"].encode()) for one in lines]
    ready, read = threading.Barrier(THREADS), []

    def read_all() -> None:
        ready.wait()
        for row in rows:
            codec.decode(row, lambda subjects: [None] * len(subjects))
            read.append(row)
        for kind in DECIDERS:
            snapshots._reader(kind)

    sys.setswitchinterval(1e-6)  # they get into each other's way as often as can be
    threads = [threading.Thread(target=read_all) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(len(read) == THREADS * len(rows))  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main()
