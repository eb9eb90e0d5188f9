"""The whole model: told what somebody wishes, it says what has to come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

from greenroom.testing.model.questions import Questions
from greenroom.testing.model.world import Outcome, Refusal

if TYPE_CHECKING:
    from greenroom.testing.history import Wish


class CallModel(Questions):
    """One call by the letter of the rules.

    Derive where an application has rules of its own: `do_join(self, who, ...)` and the like raise
    `Refusal(code)` or change `self.state`; `seen` says what can be looked at.

    Args:
        cid: of the call, which need not exist yet; of a built-in type.
        now: where its clock stands.

    Example:
        >>> from datetime import UTC, datetime
        >>> from greenroom.testing import wish
        >>> model = CallModel("default:1", datetime(2026, 1, 1, tzinfo=UTC))
        >>> model.tell(wish("thierry", "join")).code
        'call_not_found'
        >>> model.tell(wish("thierry", "join", create=True)).recorded
        ('call.created', 'session.joined', 'session.started')
    """

    def tell(self, wish: Wish) -> Outcome:
        """What has to become of the wish, after its pause; then everything is so."""
        self.names, self.answer = [], None
        self.wait(wish.after)
        self._note()
        before = self.copied()
        try:
            self.ask(wish)
        except Refusal as refusal:
            self.state = before
            return Outcome(refusal.code, ())
        outcome = Outcome(None, tuple(sorted(self.names)), self.answer)
        self._note()
        self.wait(0)  # what it made due
        self._note()
        return outcome

    def ask(self, wish: Wish) -> None:
        """Carry out what is wished for: `do_<name>`.

        Raises:
            Refusal: the rules say no; what was changed by then is taken back by `tell`.
        """
        if wish.name != "timers":
            do = getattr(self, f"do_{wish.name.replace('.', '_')}")
            do(self.who(wish.by), **wish.arguments)

    def seen(self) -> dict[str, Any]:
        """What can be seen of the call, each thing by a name."""
        state, session = self.state, self.state.session
        if state.existence != "here":
            return {"exists": False}
        present: list[tuple[str, ...]] = []
        if session is not None:
            muted = session["muted"]
            users = session["entries"].values()
            present = sorted((one, *sorted(muted.get(one, ()))) for one in users)
        return {
            "exists": True,
            "created_by": state.created_by,
            "team": state.team,
            "custom": state.custom,
            "starts_at": state.starts_at,
            "ended_at": state.ended_at,
            "ended": state.ended_at is not None,
            "backstage": state.backstage,
            "blocked": sorted(state.blocked),
            "session": None if session is None else f"{self.cid}/{session['number']}",
            "members": state.members,
            "participants": present,
            "connections": self.connections(),
            "answers": self._answers(),
            "history": dict(state.history),
            "attendance": self._attendance(),
        }

    def allowed(self, by: Any) -> list[str] | str:
        """All that this claim may do in the call, sorted; the code where it may not read it."""
        who = self.who(by)
        try:
            self.must_exist(who)
            self.must(who, "read-call")
        except Refusal as refusal:
            return refusal.code
        return sorted(self.capabilities(who.user_id, who.role))

    def clone(self) -> Self:
        """The same once more, to go another way."""
        other = type(self)(self.cid, self.state.now)
        other.state = self.copied()
        return other

    def digest(self) -> object:
        """All that is so, as a value to compare and to look up by."""
        return frozen(vars(self.state))

    def _note(self) -> None:
        """What was recorded is history."""
        history = self.state.history
        for name in self.names:
            if not name.startswith(("type.", "user.")):
                history[name] = history.get(name, 0) + 1
        self.names = []

    def _attendance(self) -> Mapping[str, tuple[int, float, bool]]:
        """How often each user came, for how many seconds, and whether they are there still."""
        stays: dict[str, list[tuple[datetime, datetime | None]]] = {}
        for one in self.state.stays:
            stays.setdefault(one["user"], []).append((one["since"], one["until"]))
        return {
            user: (len(of), self._together(of), any(until is None for _, until in of))
            for user, of in stays.items()
        }

    def _together(self, stays: Sequence[tuple[datetime, datetime | None]]) -> float:
        """Seconds in which at least one of them lasts."""
        spans = [(since, until or self.state.now) for since, until in stays]
        instants = sorted({instant for span in spans for instant in span})
        return sum(
            (end - start).total_seconds()
            for start, end in pairwise(instants)
            if any(since <= start and end <= until for since, until in spans)
        )

    def _answers(self) -> Mapping[str, str] | None:
        """What was answered since the session before ended; None while none is on."""
        state = self.state
        if state.session is None:
            return None
        since = state.session_ended_at
        return {
            user: one["answer"]
            for user, one in state.answers.items()
            if since is None or one["at"] >= since
        }


def frozen(value: object) -> object:
    """The same in containers that can be looked up by."""
    if isinstance(value, Mapping):
        return frozenset((key, frozen(inner)) for key, inner in value.items())
    if isinstance(value, set | frozenset):
        return frozenset(value)
    if isinstance(value, list | tuple):
        return tuple(frozen(inner) for inner in value)
    return value
