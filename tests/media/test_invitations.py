from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from greenroom.domain.errors import MediaError
from greenroom.domain.message import EntryId
from greenroom.media.invitations import Invitations
from greenroom.media.port import Source

ALICE = Source(EntryId("alice"), "audio")
CHARLIE = Source(EntryId("charlie"), "video")


def test_numbers_go_on_over_all_connections() -> None:
    invitations: Invitations[str, Source] = Invitations()
    assert invitations.issue("first", "v=0", [ALICE]).number == 1
    invitations.accept("first")
    assert invitations.issue("first", "v=0", [ALICE, CHARLIE]).number == 2
    assert invitations.issue("second", "v=0", [ALICE]).number == 3


def test_a_connection_stands_once_it_is_accepted_and_replaces_the_one_before() -> None:
    invitations: Invitations[str, Source] = Invitations()
    invitations.issue("first", "v=0", [ALICE])
    assert (invitations.standing, invitations.fresh) == (None, "first")
    invitations.accept("first")
    invitations.issue("second", "v=0", [ALICE])
    assert (invitations.standing, invitations.fresh) == ("first", "second")
    invitations.accept("second")
    assert (invitations.standing, invitations.fresh) == ("second", None)


def test_only_what_was_accepted_last_is_gone_on_with() -> None:
    invitations: Invitations[str, Source] = Invitations()
    number = invitations.issue("first", "v=0", [ALICE]).number
    with pytest.raises(MediaError, match="1"):
        invitations.asked(number)
    invitations.accept("first")
    assert invitations.asked(number) == "first"
    assert invitations.asked(0) is None
    invitations.drop("first")
    with pytest.raises(MediaError, match="over"):
        invitations.asked(number)


def test_an_invitation_waits_until_it_is_accepted_or_replaced() -> None:
    invitations: Invitations[str, Source] = Invitations()
    first = invitations.issue("first", "v=0", [ALICE])
    assert invitations.pending("first") == first
    second = invitations.issue("second", "v=0", [ALICE])
    with pytest.raises(MediaError, match="another"):
        invitations.awaiting(first.number)
    assert invitations.awaiting(second.number) == "second"
    invitations.accept("second")
    assert invitations.pending("second") is None
    assert invitations.awaiting(second.number) is None


def test_who_asked_is_told_once_that_there_is_something_else() -> None:
    invitations: Invitations[str, Source] = Invitations()
    assert not invitations.tell([ALICE])
    invitations.asked(0)
    assert not invitations.tell([ALICE])  # it is being answered
    invitations.nothing_new()
    assert not invitations.tell([])
    assert invitations.tell([ALICE])
    assert not invitations.tell([CHARLIE])


def test_who_has_not_accepted_yet_is_told_afterwards() -> None:
    invitations: Invitations[str, Source] = Invitations()
    invitations.asked(0)
    invitations.issue("first", "v=0", [ALICE])
    assert not invitations.tell([ALICE, CHARLIE])
    invitations.accept("first")
    assert not invitations.tell([ALICE])
    assert invitations.tell([ALICE, CHARLIE])


class Clients(RuleBasedStateMachine):
    """Clients that ask, accept, lose answers and connections; people come and go meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.invitations: Invitations[int, Source] = Invitations()
        self.wanted: list[Source] = []
        self.made = 0
        self.numbers: list[int] = []
        self.accepted = 0

    @rule(wanted=st.sets(st.sampled_from([ALICE, CHARLIE])))
    def people_come_and_go(self, wanted: set[Source]) -> None:
        self.wanted = sorted(wanted, key=lambda one: one.entry_id)
        self.invitations.tell(self.wanted)

    @rule(anew=st.booleans())
    def ask(self, *, anew: bool) -> None:
        try:
            connection = self.invitations.asked(0 if anew else self.accepted)
        except MediaError:
            assert not anew
            return
        if connection is None:
            self.made += 1
            connection = self.made
        self.invitations.tell(self.wanted)
        if self.invitations.pending(connection) is not None:
            return
        if not self.invitations.outdated(connection, self.wanted):
            self.invitations.nothing_new()
        else:
            said = self.invitations.issue(connection, "v=0", self.wanted)
            self.numbers.append(said.number)

    @rule(back=st.integers(0, 2))
    def accept(self, back: int) -> None:
        number = self.numbers[-1 - back] if len(self.numbers) > back else 99
        try:
            connection = self.invitations.awaiting(number)
        except MediaError:
            return
        if connection is not None:
            self.invitations.accept(connection)
            self.accepted = number
            assert self.invitations.standing == connection
            self.invitations.tell(self.wanted)

    @rule()
    def lose(self) -> None:
        if self.invitations.standing is not None:
            self.invitations.drop(self.invitations.standing)
            self.invitations.tell(self.wanted)

    @invariant()
    def numbers_rise(self) -> None:
        assert self.numbers == list(range(1, len(self.numbers) + 1))

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        """Whoever asked was told since, has an invitation to accept, or is up to date."""
        assert not self.invitations.tell(self.wanted)


TestClients = Clients.TestCase
