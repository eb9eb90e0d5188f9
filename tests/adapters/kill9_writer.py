"""A process that appends until it is killed, and acknowledges each commit on a pipe.

Each append is one command's: an event in a stream of its own, one in a stream it shares with other
writers, a sealed one, and the request.
"""

from __future__ import annotations

import random
import time
from itertools import count
from multiprocessing.connection import Connection

from msgspec.structs import replace

from greenroom.adapters.stores import open_store
from greenroom.domain.errors import Conflict, OutcomeUnknown, Repeated, StoreError
from greenroom.domain.message import RequestId, StreamId
from greenroom.domain.ports import EventStore, Request
from greenroom.testing.store_events import STAGE, added, pinned


def version_of(store: EventStore, stream: StreamId, known: int = 0) -> int:
    return known + sum(1 for _ in store.events(stream, after=known))


def write_for_ever(url: str, writer: str, acknowledge: Connection) -> None:
    """Say the number of each append once it is durable; a server that is away is waited for."""
    store = open_store(url, create=False)
    own = StreamId(f"session-livestream:{writer}/1")
    version, shared = version_of(store, own), version_of(store, STAGE)
    assert version == version_of(store, added(writer).stream)
    for number in count(version + 1):
        request_id = RequestId(f"{writer}-{number}")
        unknown = False
        while True:
            events = [pinned(number, own), pinned(shared + 1), added(writer, number, phone="123")]
            try:
                store.append(
                    [replace(event, request_id=request_id) for event in events],
                    expects={STAGE: shared},
                    request=Request(request_id, "fingerprint", b"answer"),
                )
                break
            except Repeated:
                assert unknown, "it was recorded, and said not to be"
                break
            except (Conflict, StoreError) as error:
                unknown |= isinstance(error, OutcomeUnknown)
                shared = where_it_stands(store, shared)
        shared += 1
        acknowledge.send(number)
        time.sleep(random.uniform(0, 0.003))  # or the other writer never gets its turn


def where_it_stands(store: EventStore, known: int) -> int:
    """The version of the shared stream, as soon as the store can be read."""
    while True:
        try:
            return version_of(store, STAGE, known)
        except StoreError:
            time.sleep(0.02)
