"""The harness over HTTP: a machine that asks a web application, served on a real socket.

`WebDriver` is what you copy: it says how your application is asked. One that is deployed has a
clock of its own: then no time passes, and what time alone would change is not compared.
"""

import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import httpx2
import uvicorn
from examples.web import fastapi_app
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from hypothesis import strategies as st
from hypothesis.stateful import initialize
from starlette.types import ASGIApp

from greenroom import errors
from greenroom.aio import Greenroom
from greenroom.domain.ports import Clock
from greenroom.testing import (
    CallMachine,
    CallModel,
    Claim,
    Driver,
    Outcome,
    VirtualClock,
    Wish,
    asked,
    wish,
)
from greenroom.testing.history import START

PEOPLE: Final = ("thierry", "alice", "charlie")
METHODS: Final = {"create": ("PUT", ""), "join": ("POST", "/join"), "get": ("GET", "")} | {
    name: ("POST", f"/{name}") for name in ("leave", "end")
}
"""How each wish is asked over HTTP."""
HANDLERS: Final[Any] = {
    errors.GreenroomError: fastapi_app.refuse,
    RequestValidationError: fastapi_app.misread,
}


class WebDriver:
    """Asks an application over HTTP, each thing twice under one key: to be answered as once.

    Args:
        address: where it is served.
        clock: of the application, where it is ours to move; None for one that is deployed.
    """

    def __init__(self, address: str, clock: VirtualClock | None = None) -> None:
        self._address = address
        self._clock = clock
        self._asked = 0

    def open(self, cid: str, now: datetime) -> None:
        """Connect; the call is a new one, whatever else there is."""
        del now
        call_type, _, call_id = cid.partition(":")
        self._cid, self._own = cid, f"{call_type}:{call_id}-{uuid4().hex}"
        self._http = httpx2.Client(base_url=self._address, timeout=150, trust_env=False)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        assert self._clock is not None, "its clock is its own: say `pauses = False`"
        self._clock.advance(seconds=seconds)

    def carry_out(self, wish: Wish) -> Outcome:
        """Ask for it, as whoever wishes it; a refusal is its code."""
        if wish.name == "timers":
            self.advance(0)
            return Outcome()
        if wish.name == "query_members":
            return self._members(wish)
        self._asked += 1
        first, again = self._request(wish), self._request(wish)
        assert again == first, f"asked again under the same key: {again}, at first: {first}"
        if "code" in first:
            return Outcome(first["code"], ())
        told = None if self._clock is None or wish.name == "join" else first["recorded"]
        return Outcome(None, None if told is None else tuple(sorted(told)))

    def seen(self) -> Mapping[str, Any]:
        """What the application shows to whoever created the call."""
        state = self._request(wish("thierry", "get"))
        if "code" in state:
            return {"exists": False}
        seen = {
            "exists": True,
            "ended": state["ended_at"] is not None,
            "starts_at": state["starts_at"] and datetime.fromisoformat(state["starts_at"]),
            **{name: state[name] for name in ("created_by", "team", "custom", "backstage")},
            "blocked": state["blocked_user_ids"],
        }
        if self._clock is not None:
            session = state["current_session"]
            seen["session"] = session and session.replace(self._own, self._cid)
        return seen

    def allowed(self, by: Claim) -> list[str] | str | None:
        """What the application tells them of their capabilities."""
        state = self._request(wish(by, "get"))
        return state.get("own_capabilities", state.get("code"))

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def _members(self, wish: Wish) -> Outcome:
        pages: list[list[str]] = []
        cursor: str | None = None
        while not pages or cursor is not None:
            answer = self._send("GET", "/members", wish, {**wish.arguments, "cursor": cursor})
            if "code" in answer:
                return Outcome(answer["code"], ())
            pages.append([item["user_id"] for item in answer["items"]])
            cursor = answer["next"]
        return Outcome(None, (), pages)

    def _request(self, wish: Wish) -> dict[str, Any]:
        return self._send(*METHODS[wish.name], wish, {})

    def _send(self, method: str, path: str, wish: Wish, query: Mapping[str, Any]) -> dict[str, Any]:
        plan = {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in wish.arguments.items()
        }
        answer = self._http.request(
            method,
            f"/calls/{self._own.replace(':', '/')}{path}",
            params={name: value for name, value in query.items() if value is not None},
            headers={
                "Authorization": f"Bearer {wish.by.name}",
                "Idempotency-Key": f"{self._own}-{self._asked}",
            },
            json=plan if wish.name == "create" else None,
        )
        said: dict[str, Any] = answer.json()
        assert answer.is_success or "code" in said, f"{answer.status_code}: {said}"
        return said


class WebModel(CallModel):
    """What the application does otherwise than a bare call: of lists it tells no count."""

    def do_query_members(
        self, who: Any, *, role: str | None = None, limit: int = 25, **_: Any
    ) -> None:
        """By role alone, oldest first."""
        filters = {} if role is None else {"role": role}
        super().do_query_members(who, filters=filters, limit=limit)
        self.answer = self.answer["pages"]


def _wishes(name: str, **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Wish]:
    who, pauses = st.sampled_from(PEOPLE).map(Claim), st.sampled_from((0, 0, 5, 31))
    said = st.fixed_dictionaries({}, optional=optional)
    return st.builds(Wish, st.just(name), who, pauses, said)


PLANS: Final = _wishes(
    "create",
    member_ids=st.lists(st.sampled_from(PEOPLE), max_size=2, unique=True),
    custom=st.dictionaries(st.just("topic"), st.sampled_from((None, "autumn", 1)), max_size=1),
    starts_at=st.sampled_from((60, 300)).map(lambda n: START + timedelta(seconds=n)),
    max_participants=st.integers(1, 2),
)


class WebMachine(CallMachine):
    """Asks for what the application offers. It has no roles and no teams to bring, and no rings."""

    cids = ("default:123", "livestream:123")
    asks = ("time_passes",)
    model = WebModel
    people = PEOPLE

    def driver(self) -> Driver:
        """The application in memory, served by a thread."""
        return ServedDriver(on_clock)

    @initialize(n=st.integers(0, 1), plan=PLANS)
    def found(self, n: int, plan: Wish) -> None:
        """Thierry creates the call."""
        self.begin(self.cids[n])
        self.ask(Wish("create", Claim("thierry"), 0, plan.arguments))

    create = asked("create", PLANS)
    join = asked("join", _wishes("join"))
    join_again = asked("join", _wishes("join"))
    leave = asked("leave", _wishes("leave"))
    end = asked("end", _wishes("end"))
    get = asked("get", _wishes("get"))
    members_queried = asked(
        "query_members",
        _wishes(
            "query_members",
            role=st.sampled_from(("call_member", "host")),
            limit=st.sampled_from((1, 25)),
        ),
    )


class ServedDriver(WebDriver):
    """The same, which serves the application itself, on a clock that stands still.

    Args:
        application: what is served, on this clock.
    """

    def __init__(self, application: Callable[[Clock], ASGIApp]) -> None:
        super().__init__("")
        self._application = application
        self._served = ExitStack()

    def open(self, cid: str, now: datetime) -> None:
        """Serve it, and connect."""
        self._clock = VirtualClock(now)
        app = self._application(self._clock)
        self._address = f"http://127.0.0.1:{self._served.enter_context(serving(app))}"
        super().open(cid, now)

    def close(self) -> None:
        """Hang up, and serve no more."""
        super().close()
        self._served.close()


def on_clock(clock: Clock) -> FastAPI:
    """The application in memory, on a clock of ours."""

    @asynccontextmanager
    async def opened(_: FastAPI) -> AsyncIterator[fastapi_app.Opened]:
        async with Greenroom.open("memory://", clock=clock) as room:
            yield {"room": room}

    app = FastAPI(lifespan=opened, exception_handlers=HANDLERS)
    app.include_router(fastapi_app.calls)
    return app


@contextmanager
def serving(app: ASGIApp) -> Iterator[int]:
    """The port on which a thread serves it."""
    server = uvicorn.Server(uvicorn.Config(app, lifespan="on", log_level="warning"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()
