"""The exam of every notifier."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

from greenroom.adapters.intents import Kind
from greenroom.domain.message import CallId, EventId, UserId
from greenroom.domain.ports import Notification, Notifier


def notification(
    kind: str = "call_ring", *, to: str = "alice", title: str = "Thierry is calling"
) -> Notification:
    """One as a room would send it."""
    return Notification(
        key=f"event-000001/{kind}/{to}",
        kind=kind,
        cid=CallId("default:123"),
        user_id=UserId(to),
        caused_by=UserId("thierry"),
        cause=EventId("event-000001"),
        title=title,
        body="",
        data={"video": True, "ring": 1},
    )


class NotifierContract:
    """What every `Notifier` owes. Subclass it, give a `notifier` fixture, say what arrived."""

    def delivered(self, notifier: Notifier) -> Sequence[tuple[str, str]]:
        """The (kind, user id) pairs that arrived at the other end of `notifier`, in any order."""
        raise NotImplementedError

    def test_every_kind_arrives(self, notifier: Notifier) -> None:
        for kind in get_args(Kind):
            notifier.notify(notification(kind))
        assert sorted(self.delivered(notifier)) == [
            (kind, "alice") for kind in sorted(get_args(Kind))
        ]

    def test_any_text_can_be_sent(self, notifier: Notifier) -> None:
        notifier.notify(notification(title="Zoë \N{WAVING HAND SIGN}\n${call.cid} %s {0} \x00"))
        assert self.delivered(notifier) == [("call_ring", "alice")]

    def test_many_threads_may_notify_at_once(self, notifier: Notifier) -> None:
        people = [f"user-{number}" for number in range(50)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda to: notifier.notify(notification(to=to)), people))
        assert sorted(self.delivered(notifier)) == sorted(("call_ring", to) for to in people)
