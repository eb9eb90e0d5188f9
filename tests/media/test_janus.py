"""The port at a real Janus, which the tests start: its exams, and what real peers see and hear."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from greenroom.domain.message import EntryId
from greenroom.media.janus import JanusMedia
from greenroom.media.port import MediaPort
from greenroom.testing.janus import PrivateJanus
from greenroom.testing.media_contract import MediaPortContract, MediaReportsContract
from greenroom.testing.peer import Peer
from greenroom.testing.recording_contract import RecordsNothingContract

pytestmark = pytest.mark.slow  # starts a program, which has to be installed


@pytest.fixture(scope="module")
def janus() -> Iterator[PrivateJanus]:
    with PrivateJanus() as janus:
        yield janus


@pytest.fixture
def media(janus: PrivateJanus) -> Iterator[JanusMedia]:
    media = JanusMedia(
        janus.url,
        secret=janus.secret,
        admin_url=janus.admin_url,
        admin_secret=janus.admin_secret,
    )
    yield media
    media.stop()


class TestJanusMedia(MediaPortContract, RecordsNothingContract):
    """Janus answers no offer to receive, by its nature; it invites instead."""

    direction = "sendonly"


class TestReportsOfJanusMedia(MediaReportsContract):
    @pytest.fixture(autouse=True)
    def peers(self) -> Iterator[None]:
        self.connected_peers: list[Peer] = []
        yield
        for peer in self.connected_peers:
            peer.close()

    def connect(self, media: MediaPort, entry_id: EntryId) -> Callable[[], None]:
        peer = Peer("red", addresses=None)
        self.connected_peers.append(peer)
        peer.join(lambda offer: media.offer(entry_id, offer), others=0)
        return peer.close
