"""What a `CallMachine` drives: a room in this process, one over many threads, or your own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol

from greenroom import Greenroom, Page, asc, desc
from greenroom.answers import CallState
from greenroom.call_handle import CallHandle
from greenroom.domain.errors import CallNotFound, InvalidInput, MediaError, Refused
from greenroom.domain.turn import Claim
from greenroom.entry import Entry
from greenroom.handles import UserHandle
from greenroom.testing.clock import VirtualClock
from greenroom.testing.history import Wish
from greenroom.testing.media import FakeMedia
from greenroom.testing.model import Outcome

_RECORDS_NOTHING: Final = frozenset({"send_event", "timers"})
OBSERVER: Final = Claim("observer", system=True)


class Driver(Protocol):
    """An application with one call in it, as a machine drives it.

    One that shows or tells less is compared in less; nothing else changes.
    """

    def open(self, cid: str, now: datetime) -> None:
        """Begin, with an empty store, and the clock standing at `now`."""
        ...

    def advance(self, seconds: float) -> None:
        """Let time pass; whatever fell due has happened when it returns."""
        ...

    def carry_out(self, wish: Wish) -> Outcome:
        """Do what is wished for, now: its pause is over. What the rules refuse is answered."""
        ...

    def seen(self) -> Mapping[str, Any]:
        """What can be seen of the call, by the names that `CallModel.seen` has; or some of it."""
        ...

    def allowed(self, by: Claim) -> list[str] | str | None:
        """All that this claim may do, sorted; the code where it may not look; None: not told."""
        ...

    def close(self) -> None:
        """Release everything."""
        ...


class RoomDriver:
    """A room of greenroom in this process.

    Args:
        url: of an empty store.
        **options: of `Greenroom.open`.
    """

    def __init__(self, url: str = "memory://", **options: Any) -> None:
        self._url = url
        self._options = options
        self.entries: list[Entry] = []
        """All there were, in the order of joining."""
        self._tells = True
        """Whether all that was done told what it recorded: else the history is not compared."""

    def open(self, cid: str, now: datetime) -> None:
        """Open the room; the call does not exist yet."""
        self.cid = cid
        self.clock = VirtualClock(now)
        media = self._options.get("media")
        self.media = media if isinstance(media, FakeMedia) else FakeMedia()
        usual = {"media": self.media, "query_limit": timedelta(hours=1)}
        self.room = Greenroom.open(self._url, clock=self.clock, **{**usual, **self._options})

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds=seconds)

    def carry_out(self, wish: Wish) -> Outcome:
        """Ask the handle of whoever wishes it."""
        try:
            answer = self.asked(wish)
        except (Refused, InvalidInput, MediaError) as refusal:
            return Outcome(refusal.code, ())
        if wish.name.startswith("query_"):
            return Outcome(None, (), answer)
        state = answer.state if isinstance(answer, Entry) else answer
        recorded = getattr(state, "recorded", None)
        reported = wish.name.startswith("media.")
        self._tells &= recorded is not None or reported or wish.name in _RECORDS_NOTHING
        return Outcome(None, None if recorded is None else tuple(sorted(recorded)))

    def seen(self) -> Mapping[str, Any]:
        """All that the system can see of the call."""
        call = self.call(OBSERVER)
        try:
            state = call.get()
        except CallNotFound:
            return {"exists": False}
        seen = {**looks(state), **within(call, state), "attendance": attended(call)}
        return {**seen, "history": counted(call)} if self._tells else seen

    def allowed(self, by: Claim) -> list[str] | str | None:
        """What the call tells them of their own capabilities."""
        try:
            return [str(one) for one in self.call(by).get().own_capabilities]
        except Refused as refusal:
            return refusal.code

    def close(self) -> None:
        """Close the room."""
        self.room.close()

    def call(self, by: Claim) -> CallHandle:
        """The call, as `by` holds it."""
        call_type, _, call_id = self.cid.partition(":")
        return self._user(by).call(call_type, call_id)

    def _user(self, by: Claim) -> UserHandle:
        if by.system:
            return self.room.system(by.name)
        return self.room.as_user(by.name, role=by.role, teams=by.teams)

    def asked(self, wish: Wish) -> Any:
        """The answer of the room, or of the application that you put in its place.

        Raises:
            Refused: the rules say no; your own rules may derive from it, with a code of their own.
        """
        said = dict(wish.arguments)
        match wish.name:
            case "timers":
                return self.clock.advance(seconds=0)
            case "join":
                entry = self.call(wish.by).join(**said)
                self.entries.append(entry)
                return entry
            case "leave" if "entry" in said:
                return self.entries[said.pop("entry")].leave(**said)
            case "unmute":
                return self.entries[said.pop("entry")].unmute(**said)
            case "users.upsert":
                return self.room.users.upsert(**said)
            case "users.erase":
                return self.room.users.erase(**said)
            case "query_calls":
                return walked(self._user(wish.by).query_calls, "cid", **said)
            case "query_members" | "query_participants":
                return walked(getattr(self.call(wish.by), wish.name), "user_id", **said)
            case "query_sessions":
                return walked(self.call(wish.by).query_sessions, "number", **said)
            case name if name.startswith("media."):
                return self._report(name.removeprefix("media."), **said)
            case "types.create" | "types.grant" | "types.revoke" | "types.update":
                change = getattr(self.room.call_types, wish.name.removeprefix("types."))
                return change(self.cid.partition(":")[0], **said)
            case name:
                return getattr(self.call(wish.by), name)(**said)

    def _report(self, what: str, entry: int | None = None, **said: Any) -> None:
        """Let media do or suffer something; what becomes of an entry that has left is nothing."""
        if what == "obstacle":
            self.media.obstacle = said["because"]
        elif what == "fail_recording":
            for recording in self.media.recordings():
                self.media.fail_recording(recording, **said)
        elif entry is not None:
            entry_id = self.entries[entry].entry_id
            comes_first = what in {"connect", "lose"}
            if entry_id in (self.media.entries() if comes_first else self.media.statistics()):
                getattr(self.media, what)(entry_id, **said)


class ThreadedDriver:
    """Lets threads take turns: what one of them did, the next one must see.

    Args:
        driver: what they drive.
        threads: how many there are.
    """

    def __init__(self, driver: Driver, threads: int = 3) -> None:
        self._driver = driver
        self._threads = [ThreadPoolExecutor(1) for _ in range(threads)]
        self._turn = 0

    def open(self, cid: str, now: datetime) -> None:
        """Begin."""
        self._driver.open(cid, now)

    def advance(self, seconds: float) -> None:
        """Let time pass, by one of the threads."""
        self._next().submit(self._driver.advance, seconds).result()

    def carry_out(self, wish: Wish) -> Outcome:
        """Let the next thread do it."""
        return self._next().submit(self._driver.carry_out, wish).result()

    def seen(self) -> Mapping[str, Any]:
        """What the next thread sees."""
        return self._next().submit(self._driver.seen).result()

    def allowed(self, by: Claim) -> list[str] | str | None:
        """What the next thread is told."""
        return self._next().submit(self._driver.allowed, by).result()

    def close(self) -> None:
        """Let the threads end."""
        for thread in self._threads:
            thread.shutdown()
        self._driver.close()

    def _next(self) -> ThreadPoolExecutor:
        self._turn = (self._turn + 1) % len(self._threads)
        return self._threads[self._turn]


def looks(state: CallState) -> dict[str, Any]:
    """What the answer itself says."""
    return {
        "exists": True,
        "created_by": state.created_by,
        "team": state.team,
        "custom": dict(state.custom),
        "starts_at": state.starts_at,
        "ended_at": state.ended_at,
        "ended": state.ended_at is not None,
        "backstage": state.backstage,
        "blocked": list(state.blocked_user_ids),
        "session": state.current_session,
    }


def within(call: CallHandle, state: CallState) -> dict[str, Any]:
    """What the views say of who is a member, who is in, and what they answered."""
    session = state.session
    inside = call.query_participants(limit=1000, at_least=state.position).items
    answered = (
        {}
        if session is None
        else {
            "accepted": session.accepted_by,
            "rejected": session.rejected_by,
            "missed": session.missed_by,
        }
    )
    return {
        "members": {
            one.user_id: {"role": one.role, "custom": dict(one.custom)}
            for one in call.query_members(limit=1000, at_least=state.position).items
        },
        "participants": sorted((one.user_id, *one.muted) for one in inside),
        "connections": sorted((one.user_id, one.connected, *one.published) for one in inside),
        "answers": None
        if session is None
        else {user: answer for answer, users in answered.items() for user in users},
    }


def counted(call: CallHandle) -> Mapping[str, int]:
    """How many events of each name the history has."""
    return dict(Counter(one.name for one in call.history()))


def attended(call: CallHandle) -> Mapping[str, tuple[int, float, bool]]:
    """How often each user came, for how many seconds, and whether they are there still."""
    return {
        one.user_id: (one.entries, one.seconds, one.left_at is None)
        for one in call.attendance().users
    }


def walked(
    query: Callable[..., Page[Any]],
    name: str,
    *,
    sort: Sequence[str] = (),
    **asked: Any,
) -> Mapping[str, Any]:
    """The names on all pages of a query, and how many rows it says there are.

    Args:
        query: of a handle.
        name: the field of its items that is answered.
        sort: fields; with a minus, the largest first.
        **asked: the other arguments of the query.

    Raises:
        AssertionError: the pages are others on the way back.
    """
    keys = [desc(one[1:]) if one.startswith("-") else asc(one) for one in sort]
    ask = partial(query, sort=keys, **asked)
    page = ask(count=True)
    there = [page]
    while page.next is not None:
        page = ask(cursor=page.next)
        there.append(page)
    back = [page]
    while page.prev is not None:
        page = ask(cursor=page.prev)
        back.insert(0, page)
    assert [one.items for one in back] == [one.items for one in there], "another way back"
    assert there[0].count is not None
    pages = [[getattr(item, name) for item in one.items] for one in there]
    return {"count": there[0].count.number, "pages": pages}
