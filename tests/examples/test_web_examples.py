"""The web applications among the examples: served for real, and asked by many at once."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from django.test import override_settings
from examples.web import fastapi_app
from examples.web.django_site import calls as django_calls
from starlette.types import Receive, Scope, Send
from tests.examples.sites import (
    GUNICORN,
    ROOT,
    UVICORN,
    Client,
    Site,
    django_here,
    program,
    uvicorn_here,
)

from greenroom import Greenroom, aio, errors
from greenroom.testing.postgres import PrivatePostgres


def fastapi_here(store: str, opened: ExitStack) -> int:
    patch = opened.enter_context(pytest.MonkeyPatch.context())
    patch.setenv("GREENROOM_URL", store)
    return opened.enter_context(uvicorn_here(fastapi_app.app))


@pytest.fixture(
    scope="module",
    params=[
        "fastapi in a file",
        "django in a file",
        pytest.param("fastapi on postgres", marks=pytest.mark.slow),
        pytest.param("django on postgres", marks=pytest.mark.slow),
    ],
)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """In a file: served by threads of this process; on PostgreSQL: by a program with workers."""
    framework, _, place = str(request.param).partition(" ")
    with ExitStack() as opened:
        if place == "on postgres":
            server: PrivatePostgres = request.getfixturevalue("postgres")
            store = opened.enter_context(server.database())
            command = UVICORN if framework == "fastapi" else GUNICORN
            port = opened.enter_context(program(command, store))
        else:
            store = f"sqlite:///{tmp_path_factory.mktemp(framework) / 'calls.db'}"
            here = fastapi_here(store, opened) if framework == "fastapi" else None
            port = here or opened.enter_context(django_here(store))
        yield Site(port, store)


@pytest.mark.slow
def test_of_60_who_join_at_once_exactly_20_get_in(site: Site) -> None:
    show = "/calls/default/full"

    async def all_join(client: Client) -> list[httpx2.Response]:
        await client("thierry", "PUT", show, json={"max_participants": 20})
        return await asyncio.gather(
            *(client(f"user-{n}", "POST", f"{show}/join") for n in range(60))
        )

    answers = site.visit(all_join)
    assert Counter(answer.status_code for answer in answers) == {201: 20, 409: 40}
    assert {answer.json()["code"] for answer in answers if answer.is_error} == {"call_full"}
    with Greenroom.open(site.store, timers=False) as room:
        call = room.as_user("thierry").call("default", "full")
        assert len({item.user_id for item in call.query_participants(limit=1000).items}) == 20
        assert [event.name for event in call.history()].count("session.joined") == 20


@pytest.mark.slow
def test_a_client_that_asks_again_under_the_same_key_is_answered_as_the_first_time(
    site: Site,
) -> None:
    call = "/calls/default/again"

    async def ask_again(client: Client) -> tuple[list[Any], Any, Any, httpx2.Response]:
        await client("thierry", "PUT", call)
        same = await asyncio.gather(
            *(client("alice", "POST", f"{call}/join", key="a-1") for _ in range(12))
        )
        same.append(await client("alice", "POST", f"{call}/join", key="a-1"))
        assert {answer.status_code for answer in same} == {201}
        second = await client("alice", "POST", f"{call}/join", key="a-2")
        other = await client("charlie", "POST", f"{call}/join", key="a-1")
        leave = await client("alice", "POST", f"{call}/leave", key="a-1")
        return [answer.json() for answer in same], second.json(), other.json(), leave

    same, second, other, leave = site.visit(ask_again)
    assert all(answer == same[0] for answer in same)
    assert len({answer["entry_id"] for answer in (same[0], second, other)}) == 3
    assert (leave.status_code, leave.json()["code"]) == (422, "request_mismatch")
    with Greenroom.open(site.store, timers=False) as room:
        names = [e.name for e in room.as_user("thierry").call("default", "again").history()]
        assert names.count("session.joined") == 3
        assert "session.left" not in names


@pytest.mark.slow
def test_a_call_from_its_creation_to_its_end(site: Site) -> None:
    call = "/calls/default/whole"

    async def live(client: Client) -> None:
        plan = {"member_ids": ["alice", "charlie"], "custom": {"topic": "autumn"}}
        created = await client("thierry", "PUT", call, json=plan)
        assert (created.status_code, created.json()["created"]) == (200, True)
        again = await client("thierry", "PUT", call)
        assert (again.json()["created"], again.json()["custom"]) == (False, {"topic": "autumn"})

        members = (await client("alice", "GET", f"{call}/members")).json()
        assert [member["user_id"] for member in members["items"]] == ["alice", "charlie"]
        hosts = (await client("alice", "GET", f"{call}/members?role=host")).json()
        assert hosts == {"items": [], "next": None}

        entry = (await client("alice", "POST", f"{call}/join")).json()
        assert (await client("alice", "GET", call)).json()["current_session"] == entry["session_id"]
        left = (await client("alice", "POST", f"{call}/leave")).json()
        assert left["recorded"] == ["session.left"]
        assert (await client("thierry", "POST", f"{call}/end")).json()["ended_at"] is not None

    site.visit(live)


REFUSALS: Final = {
    ("alice", "GET", "/calls/default/nowhere"): (404, "call_not_found"),
    ("alice", "PUT", "/calls/opera/1"): (404, "call_type_not_found"),
    ("alice", "POST", "/calls/default/mine/end"): (403, "not_allowed"),
    ("alice", "POST", "/calls/default/over/join"): (409, "call_ended"),
    ("alice", "GET", "/calls/default/a.b"): (422, "invalid_input"),
    ("alice", "GET", "/calls/default/mine/members?cursor=made-up"): (422, "invalid_cursor"),
    ("al ice", "GET", "/calls/default/mine"): (422, "invalid_input"),
}


@pytest.mark.slow
def test_refusals_have_a_status_and_their_code(site: Site) -> None:
    async def provoke(client: Client) -> Mapping[tuple[str, str, str], tuple[int, str]]:
        for id_ in ("mine", "over"):
            await client("thierry", "PUT", f"/calls/default/{id_}")
        await client("thierry", "POST", "/calls/default/over/end")
        answers = {asked: await client(*asked) for asked in REFUSALS}
        return {asked: (one.status_code, one.json()["code"]) for asked, one in answers.items()}

    assert site.visit(provoke) == REFUSALS


def test_what_cannot_be_meant_is_refused_with_its_place(site: Site) -> None:
    async def ask(client: Client) -> httpx2.Response:
        plan = {"custom": {"color": 2**60}}
        return await client("thierry", "PUT", "/calls/default/odd", json=plan)

    refused = site.visit(ask)
    assert (refused.status_code, refused.json()["path"]) == (422, "custom.color")


@pytest.mark.slow
@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"custom"', b"[]", b'{"custom": 1}', b"\xff"])
def test_a_strangers_body_breaks_nothing(site: Site, body: bytes) -> None:
    async def ask(client: Client) -> tuple[set[int], int]:
        odd = {
            (await client("thierry", "PUT", "/calls/default/odd", content=body, kind=kind))
            for kind in ("application/json", "text/plain", None)
        }
        good = await client("thierry", "PUT", "/calls/default/good")
        return {answer.status_code for answer in odd}, good.status_code

    odd, good = site.visit(ask)
    assert (odd <= {400, 422}, good) == (True, 200)


def test_nobody_in_particular_is_not_let_in(site: Site) -> None:
    async def ask(client: Client) -> int:
        return (await client._http.get("/calls/default/mine")).status_code

    assert site.visit(ask) in {401, 403}


@contextmanager
def crowded_fastapi(store: str) -> Iterator[int]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if not rooms:
            rooms.append(await aio.Greenroom.open(store, in_flight=1, timers=False))
        scope["state"] = {"room": rooms[0]}
        await fastapi_app.app(scope, receive, send)

    rooms: list[aio.Greenroom] = []
    with uvicorn_here(app, lifespan=False) as port:
        yield port
        rooms[0].reading.close()


@contextmanager
def crowded_django(store: str) -> Iterator[int]:
    django_calls.room._rooms[os.getpid()] = Greenroom.open(store, in_flight=1, timers=False)
    with django_here(store) as port:
        yield port


@pytest.mark.slow
@pytest.mark.parametrize("crowded", [crowded_fastapi, crowded_django])
def test_whoever_finds_no_room_in_the_queue_is_told_when_to_come_again(
    crowded: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenroom.intake.LONGEST_WAIT", 0.05)
    monkeypatch.setattr("greenroom.aio.desk.LONGEST_WAIT", 0.05)
    file = tmp_path / "calls.db"

    async def all_create(client: Client) -> list[httpx2.Response]:
        assert (await client("thierry", "PUT", "/calls/default/0")).status_code == 200
        another = sqlite3.connect(file, isolation_level=None)
        another.execute("BEGIN IMMEDIATE")  # nobody else can write now
        asking = [client("thierry", "PUT", f"/calls/default/{n}") for n in (1, 2, 3)]
        answers: list[httpx2.Response] = []
        for coming in asyncio.as_completed(asking):
            answers.append(await coming)
            if len(answers) == 2:
                another.close()
        return answers

    with crowded(f"sqlite:///{file}") as port:
        *turned_away, served = Site(port, "").visit(all_create)
    for answer in turned_away:
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json() == {"code": "overloaded", "message": "ask again later"}
    assert served.status_code == 200


def all_errors(base: type[errors.GreenroomError]) -> Iterator[type[errors.GreenroomError]]:
    yield base
    for kind in base.__subclasses__():
        yield from all_errors(kind)


def test_both_say_the_same_of_every_error() -> None:
    assert fastapi_app.STATUS == django_calls.STATUS
    assert fastapi_app.AGAIN == django_calls.AGAIN
    for kind in all_errors(errors.Refused):
        assert fastapi_app.status(kind) == django_calls.status(kind) in {403, 404, 409}
    for kind in (*all_errors(errors.StoreError), errors.Conflict):
        assert fastapi_app.status(kind) == django_calls.status(kind) == 503


@pytest.mark.parametrize(
    ("page", "example"),
    [("fastapi.md", "fastapi_app.py"), ("django.md", "django_site/calls.py")],
)
def test_the_pages_show_parts_of_what_is_served_here(page: str, example: str) -> None:
    shown = re.findall(
        r"^```python\n(.+?)^```$", _read("docs/how-to", page), re.DOTALL | re.MULTILINE
    )
    source = _read("examples/web", example)
    assert len(shown) >= 4
    assert [part for part in shown if part not in source] == []


@pytest.mark.slow
def test_the_page_on_postgres_runs_on_a_server(postgres_url: str) -> None:
    page = _read("docs/how-to", "postgresql.md")
    parts = re.findall(r"^```py\n(.+?)^```$", page, re.DOTALL | re.MULTILINE)
    session: dict[str, object] = {}
    assert len(parts) == 3
    for part in parts:
        on_server = part.replace("postgresql://calls:secret@db.example/calls", postgres_url)
        exec(compile(on_server, "postgresql.md", "exec"), session)  # noqa: S102 - our own documentation
    assert session["URL"] == postgres_url


def _read(*path: str) -> str:
    return ROOT.joinpath(*path).read_text()


def test_threads_that_need_the_room_first_at_once_get_the_same(tmp_path: Path) -> None:
    room = django_calls.OneRoom()
    with override_settings(GREENROOM_URL=f"sqlite:///{tmp_path / 'calls.db'}"):
        with ThreadPoolExecutor(8) as threads:
            first, *others = threads.map(lambda _: room(), range(8))
        assert all(one is first for one in others)
        room.close()
        assert room() is not first
        room.close()


FORKED: Final = """
import os
from examples.web.django_site.wsgi import application
from examples.web.django_site.calls import room

parents = room()
child = os.fork()
if child == 0:
    assert room() is not parents
    room().as_user("thierry").call("default", "1").create(custom={"by": "the child"})
    room.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert room() is parents
assert room().as_user("thierry").call("default", "1").get().custom == {"by": "the child"}
"""


@pytest.mark.slow
def test_a_child_of_a_process_with_an_open_room_opens_its_own(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'calls.db'}"
    child = subprocess.run(
        [sys.executable, "-c", FORKED],
        cwd=ROOT,
        env={**os.environ, "GREENROOM_URL": store},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    said = [one for one in child.stderr.splitlines() if "commands took" not in one]
    assert said == [], "but for a disk that is slow"


@pytest.mark.slow
def test_workers_that_were_forked_close_their_rooms_when_they_end(tmp_path: Path) -> None:
    file = tmp_path / "calls.db"

    async def work(client: Client) -> set[int]:
        await client("thierry", "PUT", "/calls/default/1")
        answers = await asyncio.gather(
            *(client(f"user-{n}", "POST", "/calls/default/1/join") for n in range(40))
        )
        assert file.with_name("calls.db-wal").exists()
        return {answer.status_code for answer in answers}

    with program(GUNICORN, f"sqlite:///{file}") as port:
        assert Site(port, "").visit(work) == {201}
    assert not file.with_name("calls.db-wal").exists()  # the last to close takes it away
