"""A process that lets 20 users join `default:123`, and says of each whether they got in."""

from __future__ import annotations

import sys

from greenroom import Greenroom, errors


def main(url: str, first: int) -> None:
    with Greenroom.open(url, timers=False) as room:
        for n in range(first, first + 20):
            try:
                room.as_user(f"user-{n}").call("default", "123").join()
            except errors.CallFull:
                print("full")  # noqa: T201 - what the test reads
            else:
                print("in")  # noqa: T201 - as above


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
