"""A machine that asks an application for everything, and a model what has to come of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final, NoReturn, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    RULE_MARKER,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from greenroom.domain.turn import Claim
from greenroom.testing import strategies
from greenroom.testing.driver import Driver, RoomDriver
from greenroom.testing.history import START, Wish
from greenroom.testing.model import CallModel, Outcome
from greenroom.testing.telling import as_test, numbered, sentence

T = TypeVar("T")


def _exactly(value: object) -> object:
    """The same, made of what is equal only where it is the same in JSON: true is not 1 there."""
    if isinstance(value, bool):
        return (bool, value)
    if isinstance(value, Mapping):
        return {key: _exactly(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_exactly(inner) for inner in value]
    return value


class Disagreement(AssertionError):  # noqa: N818 - names the fact, as all errors here
    """The application did something else than the rules say; tells how to see it again."""


def asked(name: str, wishes: st.SearchStrategy[Wish] | None = None) -> Callable[..., Any]:
    """A rule: somebody asks for this.

    Args:
        name: of the wish.
        wishes: how it may be asked for; by default as fits the method of the call's handle.
    """

    def ask(self: CallMachine, wish: Wish) -> None:
        self.ask(wish)

    ask.__doc__ = f"Somebody asks for `{name}`."
    ask.__name__ = ask.__qualname__ = name.replace(".", "_")
    return rule(wish=strategies.wishes_for(name) if wishes is None else wishes)(ask)


def _somebody_was_rung(machine: CallMachine) -> bool:
    return machine.expected.state.ring_count > 0


def _somebody_joined(machine: CallMachine) -> bool:
    return bool(machine.expected.state.entries)


def _is_gone(machine: CallMachine) -> bool:
    return machine.expected.state.existence != "here"


class CallMachine(RuleBasedStateMachine):
    """Asks for everything that can be asked of a call, in any order, and compares what comes of it.

    Derive, and say what is driven; where it has rules of its own, `model` says them. What an
    application adds is `consent = asked("consent", wishes_for("consent"))`.

    ```python
    class ClinicMachine(CallMachine):
        cids = ("default:appointment",)
        asks = ("join", "leave", "end", "time_passes")
        model = ClinicModel

        def driver(self) -> Driver:
            return ClinicDriver()


    TestClinic = ClinicMachine.TestCase
    ```
    """

    cids: ClassVar[Sequence[str]] = (
        "default:123",
        "livestream:123",
        "audio_room:123",
        "development:123",
        "consultation:123",
    )
    """Which call it is about: one of these; a type that is not built in is defined first."""
    model: ClassVar[type[CallModel]] = CallModel
    """What says what has to come of a wish."""
    asks: ClassVar[Collection[str]]
    """The rules that are used, where not all are: an application that offers less says which."""
    people: ClassVar[Sequence[str]] = strategies.PEOPLE
    """Whose capabilities are compared in the end; after each wish, those of whoever asked."""
    pauses: ClassVar[bool] = True
    """Whether time passes between wishes: not where the clock of what is driven is its own."""

    def __init_subclass__(cls, **said: Any) -> None:
        """Take away the rules that are not used."""
        super().__init_subclass__(**said)
        for name in _RULES if "asks" in vars(cls) else ():
            if name not in {*cls.asks, *vars(cls)}:
                setattr(cls, name, None)

    def __init__(self) -> None:
        super().__init__()
        self.wishes: list[Wish] = []
        """What was asked for, in order."""
        self._joined: list[Claim] = []
        self._changed = True
        self._failed = False
        self._open: Driver | None = None

    def driver(self) -> Driver:
        """What is driven; a room in memory unless you say so."""
        return RoomDriver()

    @classmethod
    def replay(cls, cid: str, wishes: Sequence[Wish]) -> None:
        """Ask for exactly this, in a call of that cid, and compare after each.

        Raises:
            Disagreement: the application did something else than the rules say.
        """
        machine = cls()
        try:
            machine.begin(cid)
            for one in wishes:
                machine.ask(one)
                machine.agree()
        finally:
            machine.teardown()

    @initialize(
        one=st.integers(0, 59),
        defining=strategies.wishes_for("types.create"),
        founding=strategies.foundings(),
    )
    def found(self, one: int, defining: Wish, founding: Wish) -> None:
        """Somebody creates the call, of a type that there is."""
        self.begin(self.cids[one % len(self.cids)])
        if not self.expected.state.grants:
            self.ask(defining)
        self.ask(founding)

    def begin(self, cid: str) -> None:
        """Open what is driven, and the model."""
        self.cid = cid
        self.expected = self.model(cid, START)
        self._open = self.driver()
        self._open.open(cid, START)

    def ask(self, wish: Wish) -> None:
        """Ask for something, and compare what comes of it."""
        driver, meant = self._driven(), self._meant(wish)
        if meant is None:
            return
        wish = meant
        self.wishes.append(wish)
        if wish.after:
            self._told(lambda: driver.advance(wish.after))
        told: Outcome = self._told(lambda: driver.carry_out(wish))
        should = self.expected.tell(wish)
        if told.code != should.code:
            self._disagree("answered", told.code or "done", should.code or "done")
        if told.recorded is not None and told.recorded != should.recorded:
            self._disagree("recorded", told.recorded, should.recorded)
        if told.answer is not None and told.answer != should.answer:
            self._disagree("answered", told.answer, should.answer)
        self._changed = bool(wish.after) or told.recorded != ()
        if wish.name == "join" and told.code is None:
            self._joined.append(wish.by)

    @invariant()
    def agree(self) -> None:
        """Everything that can be seen is as the rules say; looked at where it may have changed."""
        if self._open is None or not self._changed:
            return
        self._changed = False
        seen, should = self._told(self._open.seen), self.expected.seen()
        for name, value in seen.items():
            if _exactly(value) != _exactly(should.get(name)):
                self._disagree(name, value, should.get(name))
        self._compare_capabilities(self.wishes[-1].by.name if self.wishes else self.people[0])

    def teardown(self) -> None:
        """Compare what everybody may do in the end, and release what was driven."""
        if self._open is None:
            return
        try:
            for user_id in () if self._failed else self.people:
                self._compare_capabilities(user_id)
        finally:
            self._open.close()
            self._open = None

    accept = precondition(_somebody_was_rung)(asked("accept"))
    add_members = asked("add_members")
    block = asked("block")
    cancel_ring = asked("cancel_ring")
    create = asked("create")
    delete = asked("delete")
    end = asked("end")
    fields_declared = asked("types.update", strategies.declarations())
    field_written = asked("update", strategies.dated())
    get = asked("get")
    go_live = asked("go_live")
    grant_permissions = asked("grant_permissions")
    join = asked("join")
    join_again = asked("join")
    join_once_more = asked("join")
    kick = asked("kick")
    leave = asked("leave")
    mute = precondition(_somebody_joined)(asked("mute"))
    notify = asked("notify")
    calls_queried = asked("query_calls")
    members_queried = asked("query_members")
    participants_queried = asked("query_participants")
    pin = precondition(_somebody_joined)(asked("pin"))
    reject = asked("reject")
    remove_members = asked("remove_members")
    request_permissions = asked("request_permissions")
    restore = precondition(_is_gone)(asked("restore"))
    revoke_permissions = asked("revoke_permissions")
    ring = asked("ring")
    send_event = asked("send_event")
    sessions_queried = asked("query_sessions")
    start_recording = precondition(_somebody_joined)(asked("start_recording"))
    stop_recording = precondition(_somebody_joined)(asked("stop_recording"))
    stop_live = asked("stop_live")
    time_passes = asked("timers")
    type_defined = asked("types.create")
    type_grants = asked("types.grant")
    type_revokes = asked("types.revoke")
    type_changes = asked("types.update")
    unblock = asked("unblock")
    unmute = precondition(_somebody_joined)(asked("unmute"))
    unpin = precondition(_somebody_joined)(asked("unpin"))
    update = asked("update")
    update_members = asked("update_members")
    user_forgotten = asked("users.erase")
    user_told_of = asked("users.upsert")

    def _meant(self, wish: Wish) -> Wish | None:
        """With an entry that there is, asked for by whoever it belongs to; None without any."""
        if not self.pauses:
            wish = replace(wish, after=0)
        if "entry" not in wish.arguments:
            return wish
        if not self._joined:
            return None
        entry = wish.arguments["entry"] % len(self._joined)
        return replace(wish, by=self._joined[entry], arguments={**wish.arguments, "entry": entry})

    def _told(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except Exception as error:
            raise Disagreement(self._message(f"raised {error!r}")) from error

    def _disagree(self, about: str, told: object, should: object) -> NoReturn:
        raise Disagreement(self._message(f"{about}: {told}\n  the rules say: {should}"))

    def _compare_capabilities(self, user_id: str) -> None:
        driver, claim = self._driven(), Claim(user_id)
        held = self._told(lambda: driver.allowed(claim))
        should = self.expected.allowed(claim)
        if held is not None and held != should:
            self._disagree(f"what {user_id} may do", held, should)

    def _message(self, fault: str) -> str:
        self._failed = True
        return (
            f"what happened in {self.cid}:\n{numbered(map(sentence, self.wishes))}\n"
            f"and then\n  {fault}\n"
            f"a test that shows it:\n\n{as_test(type(self), self.cid, self.wishes)}"
        )

    def _driven(self) -> Driver:
        assert self._open is not None, "begin() has not been called"
        return self._open


_RULES: Final = tuple(
    name for name, value in vars(CallMachine).items() if hasattr(value, RULE_MARKER)
)
"""The names of all rules."""


class MediaMachine(CallMachine):
    """Asks for all that, and lets media report: who connects, publishes and is lost, what fails.

    For a `RoomDriver`, alone or with threads: it needs the room's `FakeMedia` at hand.
    """

    connected = precondition(_somebody_joined)(asked("media.connect"))
    lost = precondition(_somebody_joined)(asked("media.lose"))
    connection_over = precondition(_somebody_joined)(asked("media.end"))
    published = precondition(_somebody_joined)(asked("media.publish"))
    unpublished = precondition(_somebody_joined)(asked("media.unpublish"))
    recording_hindered = asked("media.obstacle")
    recording_failed = precondition(_somebody_joined)(asked("media.fail_recording"))
    patience_changed = asked("update", strategies.patience())
