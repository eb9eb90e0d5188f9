"""Ringing and notifying, in the model (semantics 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial

from greenroom.testing.model.sessions import Sessions
from greenroom.testing.model.world import Refusal, Who


class Rings(Sessions):
    """Who is called, and what they answer."""

    def do_ring(self, who: Who, member_ids: Sequence[str], *, video: bool = True) -> None:
        """Call members."""
        del video
        self.must_exist(who)
        self.ring(who, member_ids)

    def do_notify(self, who: Who, member_ids: Sequence[str]) -> None:
        """Tell members of the call."""
        self.must_exist(who)
        self.notify(who, member_ids)

    def do_cancel_ring(self, who: Who) -> None:
        """Withdraw one's own rings; the system withdraws all."""
        self.must_exist(who)
        self.withdraw(who)

    def do_accept(self, who: Who) -> None:
        """Take the call."""
        self._must_not_have_ended(who)
        number = self._last_ring_of(who.user_id)
        if self._answer(who.user_id, number) != "accepted":
            self.accept(who.user_id, number, final=False)

    def do_reject(self, who: Who, *, reason: str = "decline") -> None:
        """Decline the call; with `cancel`, the caller withdraws it."""
        self._must_not_have_ended(who)
        user = who.user_id
        called_last = self.state.rung.get(user, 0) > self.state.callers.get(user, 0)
        if reason == "cancel" and not called_last:
            self.withdraw(who)
            return
        number = self._last_ring_of(user)
        if self._answer(user, number) == "rejected":
            return
        known = self.state.answers.get(user)
        if user in self.present or (known and known["ring"] == number and known["final"]):
            raise Refusal("answer_final")
        self._say(user, number, "rejected")
        ring = self.state.rings.get(number)
        if ring and all(self._answer(one, number) == "rejected" for one in ring["users"]):
            self.cancel(number)

    def ring(self, who: Who, users: Iterable[str]) -> None:
        """Call those of these members who are not in, and whom no ring is waiting for."""
        self._must_belong(who)
        self._must_be_members(users)
        cancel = self.setting("ring", "auto_cancel_timeout_ms")
        missed = self.setting("ring", "missed_call_timeout_ms")
        if cancel is None or missed is None:
            raise Refusal("ringing_disabled")
        if self.state.ended_at is not None:
            raise Refusal("call_ended")
        state = self.state
        away = [one for one in users if one != who.user_id and one not in self.present]
        called = [one for one in away if one not in state.blocked and not self._rings(one)]
        if not called:
            return
        calling = {who.user_id, *(ring["caller"] for ring in state.rings.values())}
        state.ring_count += 1
        state.rings[state.ring_count] = {
            "caller": who.user_id,
            "users": called,
            "cancel_at": state.now + timedelta(milliseconds=min(cancel, missed)),
            "missed_at": state.now + timedelta(milliseconds=missed),
            "accepted": False,
        }
        state.rung.update(dict.fromkeys(called, state.ring_count))
        state.callers.update(dict.fromkeys(calling, state.ring_count))
        self.names.append("call.rung")

    def notify(self, who: Who, users: Iterable[str]) -> None:
        """Tell those of these members who are not in."""
        self._must_belong(who)
        self._must_be_members(users)
        if any(one != who.user_id and one not in self.present for one in users):
            self.names.append("call.members_notified")

    def accept(self, user: str, number: int, *, final: bool) -> None:
        """Somebody takes the call; finally, where they join."""
        self._say(user, number, "accepted", final=final)
        if number in self.state.rings:
            self.state.rings[number]["accepted"] = True

    def accept_by_joining(self, user: str) -> None:
        """Whoever joins on a ring has answered it."""
        number = self.state.rung.get(user, 0)
        if number not in self.state.rings:
            return
        known = self.state.answers.get(user)
        same = known is not None and known["ring"] == number
        if not (same and known and known["answer"] == "accepted" and known["final"]):
            self.accept(user, number, final=True)

    def withdraw(self, who: Who) -> None:
        """Cancel the rings of this caller."""
        for number, ring in list(self.state.rings.items()):
            if who.system or ring["caller"] == who.user_id:
                self.cancel(number)

    def cancel(self, number: int) -> None:
        """The ring is over; whoever has not answered has missed it."""
        self.names.append("call.ring_cancelled")
        self.be_missed(number)

    def be_missed(self, number: int) -> None:
        """The ring is over for who has not answered."""
        for user in self.state.rings.pop(number)["users"]:
            known = self.state.answers.get(user)
            if known is None or known["ring"] < number:
                self._say(user, number, "missed")

    def _say(self, user: str, number: int, answer: str, *, final: bool = False) -> None:
        self.state.answers[user] = {
            "ring": number,
            "answer": answer,
            "final": final,
            "at": self.state.now,
        }
        self.names.append(f"member.{answer}")

    def _answer(self, user: str, number: int) -> str | None:
        known = self.state.answers.get(user)
        return known["answer"] if known and known["ring"] == number else None

    def _rings(self, user: str) -> bool:
        number = self.state.rung.get(user, 0)
        return number in self.state.rings and self._answer(user, number) is None

    def _last_ring_of(self, user: str) -> int:
        if user not in self.state.rung:
            raise Refusal("not_rung")
        return self.state.rung[user]

    def _must_not_have_ended(self, who: Who) -> None:
        self.must_exist(who)
        if self.state.ended_at is not None:
            raise Refusal("call_ended")

    def _must_belong(self, who: Who) -> None:
        self.must(who, "read-call")
        if who.user_id not in self.state.members and who.user_id != self.state.created_by:
            self.must(who, "update-call")

    def _must_be_members(self, users: Iterable[str]) -> None:
        if any(one not in self.state.members for one in users):
            raise Refusal("member_not_found")

    def _dues(self) -> Iterator[tuple[datetime, int, Callable[[], None]]]:
        yield from super()._dues()
        if self.state.existence != "here":
            return
        for number, ring in self.state.rings.items():
            if not ring["accepted"]:
                yield ring["cancel_at"], 0, partial(self.cancel, number)
            yield ring["missed_at"], 3, partial(self.be_missed, number)
