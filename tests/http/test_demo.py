"""What the demo's page asks of its server, asked by hand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from tests.http.browsers import demo
from tests.http.conftest import PUBLISHING, code

from greenroom import aio
from greenroom.http.demo.app import STATIC, demo_app
from greenroom.testing import FakeMedia


@dataclass
class Demo:
    """The demo being asked, about a call of the test's own."""

    client: TestClient
    call_id: str

    def at(self, user: str) -> str:
        return f"/api/users/{user}/calls/default/{self.call_id}"

    def act(self, user: str, deed: str, **said: Any) -> Any:
        return self.client.post(f"{self.at(user)}/{deed}", json=said)

    def join(self, user: str) -> dict[str, str]:
        """The headers that the user's entry asks with."""
        joined = self.act(user, "join")
        assert joined.status_code == 200, joined.text
        return {"Authorization": f"Bearer {joined.json()['ticket']}"}


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with aio.Greenroom.open("memory://", media=FakeMedia()) as room:
            yield {"room": room}

    app = demo_app(lambda request: request.state.room, hosts=["testserver"])
    with TestClient(Starlette(routes=[Mount("/", app)], lifespan=lifespan)) as client:
        yield client


@pytest.fixture
def asked(client: TestClient, request: pytest.FixtureRequest) -> Demo:
    return Demo(client, f"call-{abs(hash(request.node.name))}")


def test_the_page_and_all_that_it_is_made_of_are_there(client: TestClient) -> None:
    page = client.get("/")
    assert "<h1>" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for file in STATIC.iterdir():
        assert client.get(f"/static/{file.name}").status_code == 200
        assert file.name == "index.html" or file.stem in page.text + "api dom media view"


def test_nothing_of_the_page_comes_from_elsewhere() -> None:
    for file in STATIC.iterdir():
        said = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "://" not in said, file.name


def test_a_call_is_created_joined_looked_at_and_left(asked: Demo) -> None:
    assert "livestream" in asked.client.get("/api/types").json()
    assert (
        asked.act("thierry", "create", hosts=["alice"]).json()["cid"] == f"default:{asked.call_id}"
    )
    ticket = asked.join("thierry")
    seen = asked.client.get(asked.at("thierry")).json()
    assert [one["user_id"] for one in seen["participants"]] == ["thierry"]
    assert [(one["user_id"], one["role"]) for one in seen["members"]] == [("alice", "host")]
    assert "end-call" in seen["call"]["own_capabilities"]
    assert f"default:{asked.call_id}" in [
        one["cid"] for one in asked.client.get("/api/users/alice/calls").json()
    ]
    assert asked.client.get("/media/slots", headers=ticket).json() == {}
    left = asked.client.post("/api/entry/leave", headers=ticket, json={})
    assert left.json()["recorded"] == ["session.left"]


def test_media_takes_the_tickets_of_the_demo(asked: Demo) -> None:
    asked.act("thierry", "create")
    headers = asked.join("thierry") | {"Content-Type": "application/sdp"}
    assert asked.client.post("/media/whip", content=PUBLISHING, headers=headers).status_code == 201


def test_a_ticket_is_renewed_as_long_as_it_is_valid(asked: Demo) -> None:
    asked.act("thierry", "create")
    renewed = asked.client.post("/api/entry/ticket", headers=asked.join("thierry"), json={})
    headers = {"Authorization": f"Bearer {renewed.json()['ticket']}"}
    assert asked.client.get("/media/slots", headers=headers).status_code == 200
    assert code(asked.client.post("/api/entry/ticket", json={})) == "ticket_required"


def test_whether_it_is_recorded_is_shown_to_whoever_looks(asked: Demo) -> None:
    asked.act("thierry", "create")
    asked.join("thierry")

    def recorded() -> bool:
        return bool(asked.client.get(asked.at("alice")).json()["recording"])

    assert asked.client.get("/api/recorder").json() == {"obstacle": ""}
    assert not recorded()
    assert asked.act("thierry", "start_recording").status_code == 200
    assert recorded()
    assert code(asked.act("alice", "stop_recording")) == "not_allowed"
    asked.act("thierry", "stop_recording")
    assert not recorded()


def test_whoever_was_muted_unmutes_with_their_own_ticket(asked: Demo) -> None:
    asked.act("thierry", "create")
    asked.join("thierry")
    alice = asked.join("alice")
    muted = asked.act("thierry", "mute", user_id="alice", audio=True)
    assert muted.json()["recorded"] == ["session.muted"]
    unmuted = asked.client.post("/api/entry/unmute", headers=alice, json={"audio": True})
    assert unmuted.json()["recorded"] == ["session.unmuted"]


@pytest.mark.parametrize(
    ("user", "deed", "said"),
    [
        ("not a name", "create", {}),
        ("alice", "create", {"hosts": 5}),
        ("alice", "create", {"hosts": [{}]}),
        ("alice", "create", {"backstage": "yes"}),
        ("alice", "dance", {}),
        ("alice", "kick", {"user_id": {}}),
        ("alice", "mute", {"user_id": "bob", "audio": "yes"}),
        ("alice", "grant", {"user_id": "alice", "permissions": "x"}),
    ],
)
def test_what_cannot_be_meant_is_refused_with_where_the_fault_is(
    asked: Demo, user: str, deed: str, said: Any
) -> None:
    refused = asked.act(user, deed, **said)
    assert (refused.status_code, code(refused)) == (422, "invalid_input")
    assert refused.json()["path"]


def test_what_the_rules_refuse_is_a_problem_with_its_code(asked: Demo) -> None:
    refused = asked.act("alice", "join")
    assert (refused.status_code, code(refused)) == (404, "call_not_found")
    asked.act("thierry", "create")
    refused = asked.act("alice", "end")
    assert (refused.status_code, code(refused)) == (403, "not_allowed")
    assert refused.json()["capability"] == "end-call"


@pytest.mark.parametrize("body", ["[]", "5", "{", "[" * 5_000, '"text"'])
def test_what_is_no_object_is_refused(asked: Demo, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    refused = asked.client.post(f"{asked.at('alice')}/create", content=body, headers=headers)
    assert (refused.status_code, code(refused)) == (422, "invalid_input")


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_pages_of_other_sites_can_do_nothing_here(asked: Demo, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    refused = asked.client.post(f"{asked.at('alice')}/create", content="{}", headers=headers)
    assert (refused.status_code, code(refused)) == (415, "unsupported_media_type")
    preflight = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    answer = asked.client.options(f"{asked.at('alice')}/create", headers=preflight)
    assert "access-control-allow-origin" not in answer.headers
    assert asked.client.get("/", headers={"Host": "example.org"}).status_code == 400


@pytest.mark.slow
def test_the_history_is_told_as_it_grows_and_from_where_it_was_left() -> None:
    with demo() as site, httpx2.Client(base_url=site.url, timeout=60) as client:
        path = "/api/users/thierry/calls/default/1"
        call = site.room.as_user("thierry").call("default", "1")
        call.create()
        with client.stream("GET", f"{path}/history") as told:
            lines = told.iter_lines()
            assert told.headers["content-type"].startswith("text/event-stream")
            assert next(lines) == "id: 1"
            assert json.loads(next(lines).removeprefix("data: "))["name"] == "call.created"
            assert next(lines) == ""
            call.join()
            assert next(lines) == "id: 2"
            assert json.loads(next(lines).removeprefix("data: "))["name"] == "session.started"
        back = {"Last-Event-ID": "2"}
        with client.stream("GET", f"{path}/history", headers=back) as told:
            assert next(told.iter_lines()) == "id: 3"
        refused = client.get("/api/users/thierry/calls/default/2/history")
        assert (refused.status_code, code(refused)) == (404, "call_not_found")
