"""One script of many commands, and digests of what comes of it: the same wherever it runs.

Run with the URL of an empty store, it prints them. What is random elsewhere (keys, nonces, the
store's secret) is drawn by lot here, so that it is the same on every run.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from types import SimpleNamespace
from typing import Any, Final

from pydantic_core import to_jsonable_python
from tests.engine.deeds import PEOPLE, act

from greenroom import CallHandle, Greenroom, Member, asc, desc
from greenroom.adapters import sealing
from greenroom.adapters.recorder import EVERYTHING, PAGE
from greenroom.audit.log import leaves_of
from greenroom.audit.trees import leaf_hash, root
from greenroom.testing.clock import VirtualClock
from greenroom.testing.ids import SequentialIds

START: Final = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
"""Half an hour before the clocks of much of Europe are put forward."""
DEEDS: Final = 600
_WORDS: Final = (
    "I",
    "i",
    "İ",
    "\N{LATIN SMALL LETTER DOTLESS I}",
    "ß",
    "SS",
    "z",
    "Z",
    "ä",
    "a\N{COMBINING DIAERESIS}",
    "_",
    "👋",
)
"""Where languages differ about order and case."""


def main(url: str) -> None:
    """Play the script in an empty store, and print what came of it."""
    lots = Random("keys and nonces")
    sealing.__dict__["os"] = SimpleNamespace(urandom=lots.randbytes)
    sealing.__dict__["secrets"] = SimpleNamespace(randbits=lots.getrandbits)
    clock = VirtualClock(START)
    with Greenroom.open(url, clock=clock, ids=SequentialIds()) as room:
        play(room, clock)
        found = {
            "log": hashed(log_of(room)),
            "root": root([leaf_hash(one) for one in log_of(room)]).hex(),
            "views": room._core.seen().digest(),
            "answers": hashed(answers(room)),
        }
    print(json.dumps(found))  # noqa: T201 - what the test reads


def play(room: Greenroom, clock: VirtualClock) -> None:
    """People do this and that for some days; timers run."""
    lots = Random("the script")
    call = room.system("registry").call("default", "languages")
    call.create()
    for number, word in enumerate(_WORDS):
        room.users.upsert(f"guest-{number}", name=word, custom={word: number})
        guest = Member(f"guest-{number}", custom={"word": word})
        call.add_members([guest])
    for _ in range(DEEDS):
        act(room, lots)
        clock.advance(seconds=lots.choice([0, 0, 0.5, 7, 31, 3600]))


def log_of(room: Greenroom) -> Iterator[bytes]:
    """The leaf of every record: its bytes as they are stored."""
    recorder, after = room._store.recorder, 0  # type: ignore[attr-defined]  # any store has one
    while rows := recorder.log_rows(after, EVERYTHING, PAGE):
        yield from leaves_of(rows)
        after = rows[-1][0]


def answers(room: Greenroom) -> Iterator[bytes]:
    """What can be asked for, as JSON."""
    system = room.system("registry")
    for key in (asc("created_at"), desc("cid")):
        page = system.query_calls(sort=[key], limit=1000)
        yield told(page.items)
    for one in page.items:
        yield from of_call(system.call(one.type, one.id))
    for word in _WORDS:
        for operator in ("$autocomplete", "$gt", "$eq"):
            yield from found_by(system.call("default", "languages"), operator, word)
    for person in PEOPLE:
        yield told(room.users.get(person))


def of_call(call: CallHandle) -> Iterator[bytes]:
    """What one call tells."""
    yield told([*call.history()])
    yield told(call.attendance())
    page = call.query_members(limit=2)
    yield told([page.next, page.items])


def found_by(call: CallHandle, operator: str, word: str) -> Iterator[bytes]:
    """Members whose names, and whose words, are so."""
    for field in ("user.name", "custom.word"):
        page = call.query_members(filters={field: {operator: word}}, limit=1000)
        yield told([one.user_id for one in page.items])


def told(said: Any) -> bytes:
    """As JSON, keys in the order in which they are answered."""
    return json.dumps(to_jsonable_python(said)).encode()


def hashed(lines: Iterator[bytes]) -> str:
    """SHA-256 over lines."""
    found = hashlib.sha256()
    for line in lines:
        found.update(line + b"\n")
    return found.hexdigest()


if __name__ == "__main__":
    main(sys.argv[1])
