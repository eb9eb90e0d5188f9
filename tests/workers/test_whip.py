"""WHIP and WHEP are the same, wherever media runs."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient
from tests.workers.conftest import Site, eventually

from greenroom import WorkerMedia, aio
from greenroom.aio.room import Coming
from greenroom.http.serving import application
from greenroom.testing.descriptions import TRICKLE
from greenroom.testing.media import offer_sdp

PUBLISHING = offer_sdp(("audio", "sendonly"), ("video", "sendonly"))


@pytest.fixture
def client(site: Site) -> TestClient:
    def opening() -> Coming:
        return aio.Greenroom.open(site._url, media=WorkerMedia(), create=False)

    return TestClient(application(opening, demo=False))


@pytest.mark.slow
def test_a_session_is_begun_trickled_to_and_ended_in_the_worker(
    site: Site, client: TestClient
) -> None:
    worker = site.hire()
    entry = site.room.as_user("thierry").call("default", "1").join(create=True)
    ticket = {"Authorization": f"Bearer {entry.ticket('publish')}"}
    with client:
        begun = client.post(
            "/media/whip",
            content=PUBLISHING,
            headers={**ticket, "Content-Type": "application/sdp"},
        )
        assert begun.status_code == 201
        assert worker.media.entries() == {entry.entry_id}
        place, tag = begun.headers["location"], begun.headers["etag"]
        kind = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": tag}
        assert client.patch(place, content=TRICKLE, headers={**ticket, **kind}).status_code == 204
        assert client.delete(place, headers=ticket).status_code == 200
    assert eventually(lambda: worker.media.entries() == frozenset())


@pytest.mark.slow
def test_where_no_worker_is_alive_the_client_is_to_ask_again(
    site: Site, client: TestClient
) -> None:
    entry = site.room.as_user("thierry").call("default", "1").join(create=True)
    with client:
        refused = client.post(
            "/media/whip",
            content=PUBLISHING,
            headers={
                "Authorization": f"Bearer {entry.ticket('publish')}",
                "Content-Type": "application/sdp",
            },
        )
    assert (refused.status_code, refused.json()["code"]) == (503, "media_unavailable")
    assert refused.headers["retry-after"] == "1"
