"""Notifiers, and what notifications say."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.adapters.notifiers import LoggingNotifier
from greenroom.adapters.wording import Wording
from greenroom.domain.ports import Notifier
from greenroom.testing.notifier import RecordingNotifier
from greenroom.testing.notifier_contract import NotifierContract, notification


class TestRecordingNotifier(NotifierContract):
    @pytest.fixture
    def notifier(self) -> Notifier:
        return RecordingNotifier()

    def delivered(self, notifier: Notifier) -> Sequence[tuple[str, str]]:
        assert isinstance(notifier, RecordingNotifier)
        return [(sent.kind, sent.user_id) for sent in notifier.sent]

    def test_it_fails_as_often_as_told_and_then_delivers(self) -> None:
        notifier = RecordingNotifier()
        notifier.fail(times=2, error=TimeoutError("no answer"))
        for _ in range(2):
            with pytest.raises(TimeoutError, match="no answer"):
                notifier.notify(notification())
        notifier.notify(notification())
        assert len(notifier.failed) == 2
        assert notifier.kinds_for("alice") == ["call_ring"]
        assert notifier.kinds_for("charlie") == []


class TestLoggingNotifier(NotifierContract):
    @pytest.fixture(autouse=True)
    def _lines(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        self.lines = caplog

    @pytest.fixture
    def notifier(self) -> Notifier:
        return LoggingNotifier()

    def delivered(self, notifier: Notifier) -> Sequence[tuple[str, str]]:
        return [
            (vars(record)["notification_kind"], vars(record)["notification_user_id"])
            for record in self.lines.records
        ]

    def test_it_says_who_and_where_and_nothing_personal(self, notifier: Notifier) -> None:
        notifier.notify(notification(title="Thierry the patient is calling"))
        (record,) = self.lines.records
        assert record.getMessage() == "call_ring for alice in default:123"
        assert vars(record)["notification_key"] == "event-000001/call_ring/alice"
        assert "patient" not in str(vars(record))


FACTS = {
    "call": {"cid": "default:123", "custom": {"topic": "knees", "floor": 3, "open": True}},
    "user": {"name": "Thierry", "role": "user"},
}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("${user.name} is calling", "Thierry is calling"),
        ("${call.custom.topic} on floor ${call.custom.floor}", "knees on floor 3"),
        ("open: ${call.custom.open}", "open: true"),
        ("[${call.custom.nothing}${user.custom.deep.path}${team}]", "[]"),
        ("[${user.name.first}]", "[]"),
        ("costs $5, $user.name and $$3", "costs $5, $user.name and $3"),
        ("${} ${call.} ${1} {user.name}", "${} ${call.} ${1} {user.name}"),
    ],
)
def test_words_are_filled_with_facts(words: str, said: str) -> None:
    assert Wording(words).filled(FACTS) == said


@given(st.text(), st.text())
def test_any_words_and_any_name_can_be_filled_in_and_a_name_is_never_looked_into(
    words: str, name: str
) -> None:
    assert isinstance(Wording(words).filled({"user": {"name": name}}), str)
    assert Wording("${user.name}").filled({"user": {"name": name}}) == name
