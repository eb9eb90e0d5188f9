"""A call in which much happened, and somebody with a bad name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from greenroom import CallHandle, Greenroom, Member
from greenroom.domain.message import EntryId
from greenroom.testing.clock import VirtualClock
from greenroom.testing.media import FakeMedia

NINE = datetime(2026, 1, 1, 9, tzinfo=UTC)
CID = "default:rounds"
EVIL = "</script><script>document.title = 'taken'</script>"


@dataclass
class Ward:
    """A room, its clock, and media that opens nothing."""

    room: Greenroom
    clock: VirtualClock
    media: FakeMedia

    def call(self, user: str = "thierry") -> CallHandle:
        return self.room.as_user(user).call(*CID.split(":"))

    def join(self, user: str) -> EntryId:
        """Enter, connected and heard."""
        entry_id = self.call(user).join().entry_id
        self.media.connect(entry_id)
        self.media.publish(entry_id, "audio")
        return entry_id


@pytest.fixture
def ward() -> Iterator[Ward]:
    """Thierry calls alice and charlie, mutes alice, puts mallory out; is back the next day."""
    clock, media = VirtualClock(NINE), FakeMedia()
    with Greenroom.open("memory://", clock=clock, media=media) as room:
        ward = Ward(room, clock, media)
        thierry = ward.call()
        thierry.create(members=[Member("alice", "host"), Member("charlie")], custom={"title": EVIL})
        thierry.join()
        thierry.ring(["alice", "charlie"])
        clock.advance(seconds=10)
        ward.join("alice")
        ward.join("mallory")
        ward.call("charlie").reject(f"\u202e{EVIL}")
        clock.advance(seconds=60)
        thierry.mute(["alice"], audio=True)
        thierry.kick("mallory", block=True)
        clock.advance(seconds=600)
        thierry.end()
        clock.advance(seconds=86_400)
        thierry.go_live()
        thierry.join()
        clock.advance(seconds=30)
        yield ward
