"""The whole model: told what somebody wishes, it says what has to come of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from greenroom.testing.model.people import People
from greenroom.testing.model.world import Outcome, Refusal

if TYPE_CHECKING:
    from greenroom.testing.history import Wish


class CallModel(People):
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
        self.wait(wish.after)
        before = self.copied()
        self.names = []
        try:
            self.ask(wish)
        except Refusal as refusal:
            self.state = before
            return Outcome(refusal.code, ())
        outcome = Outcome(None, tuple(sorted(self.names)))
        self.wait(0)  # what it made due
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
            "answers": self._answers(),
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
