"""The exam of the `Leases` port: of two who want a call, one gets it.

For example::

    class TestMyLeases(LeasesContract):
        @pytest.fixture
        def opened(self) -> Callable[[], Leases]:
            return lambda: MyLeases(...)
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from greenroom.domain.errors import StoreClosed
from greenroom.domain.message import CallId
from greenroom.media.leases import Leases, Worker

LONG = 60.0
"""Seconds that nobody waits for."""
SHORT = 0.15
CALL, OTHER = CallId("default:1"), CallId("default:2")


class LeasesContract:
    """What all leases must do, wherever they stand."""

    @pytest.fixture
    def opened(self) -> Callable[[], Leases]:
        """Opens the same leases each time, as another process would; empty at first."""
        raise NotImplementedError("give the contract something to open")

    @pytest.fixture
    def leases(self, opened: Callable[[], Leases]) -> Iterator[Leases]:
        with closing(opened()) as leases:
            yield leases

    def test_who_is_alive_takes_a_call_and_keeps_it(self, leases: Leases) -> None:
        leases.renew(Worker("a", "http://a"), LONG)
        lease = leases.claim("a", [CALL])[CALL]
        assert (lease.worker, lease.url, lease.good) == ("a", "http://a", True)
        assert leases.claim("a", [CALL])[CALL].term == lease.term
        assert leases.renew(Worker("a", "http://a"), LONG) == {CALL: lease.term}
        assert leases.holder(CALL) is not None
        assert leases.holder(OTHER) is None

    def test_who_was_never_alive_takes_nothing(self, leases: Leases) -> None:
        assert leases.claim("a", [CALL]) == {}
        assert leases.holder(CALL) is None

    def test_nobody_takes_a_call_from_the_living(self, leases: Leases) -> None:
        leases.renew(Worker("a"), LONG)
        leases.renew(Worker("b"), LONG)
        leases.claim("a", [CALL])
        held = leases.claim("b", [CALL, OTHER])
        assert {cid: lease.worker for cid, lease in held.items()} == {CALL: "a", OTHER: "b"}
        leases.release("b", [CALL])
        assert leases.claim("b", [CALL])[CALL].worker == "a"

    def test_the_calls_of_the_dead_are_orphans_and_change_hands_in_a_later_term(
        self, leases: Leases
    ) -> None:
        leases.renew(Worker("a"), LONG)
        leases.renew(Worker("b"), LONG)
        before = leases.claim("a", [CALL, OTHER])[CALL]
        assert leases.orphans(10) == []
        _let_die(leases, "a")
        assert sorted(leases.orphans(10)) == [CALL, OTHER]
        assert len(leases.orphans(1)) == 1
        found = leases.holder(CALL)
        assert found is not None
        assert (found.worker, found.good) == ("a", False)
        after = leases.claim("b", [CALL])[CALL]
        assert after.worker == "b"
        assert after.term > before.term
        assert leases.orphans(10) == [OTHER]

    def test_who_comes_too_late_goes_on_with_what_nobody_has_taken(self, leases: Leases) -> None:
        leases.renew(Worker("a"), LONG)
        leases.renew(Worker("b"), LONG)
        held = leases.claim("a", [CALL, OTHER])
        _let_die(leases, "a")
        leases.claim("b", [OTHER])
        assert leases.renew(Worker("a"), LONG) == {CALL: held[CALL].term}
        assert leases.orphans(10) == []

    def test_who_is_dead_takes_nothing_not_even_its_own(self, leases: Leases) -> None:
        leases.renew(Worker("a"), LONG)
        leases.claim("a", [CALL])
        _let_die(leases, "a")
        assert leases.claim("a", [CALL, OTHER]) == {}

    def test_who_retires_leaves_its_calls_at_once(self, leases: Leases) -> None:
        leases.renew(Worker("a"), LONG)
        leases.renew(Worker("b"), LONG)
        before = leases.claim("a", [CALL])[CALL]
        leases.retire("a")
        leases.retire("a")
        assert leases.orphans(10) == [CALL]
        after = leases.claim("b", [CALL])[CALL]
        assert (after.worker, after.term > before.term) == ("b", True)

    def test_what_is_released_is_forgotten_and_its_term_does_not_come_back(
        self, leases: Leases
    ) -> None:
        leases.renew(Worker("a"), LONG)
        before = leases.claim("a", [CALL])[CALL]
        leases.release("a", [CALL, OTHER])
        assert leases.holder(CALL) is None
        assert leases.orphans(10) == []
        assert leases.claim("a", [CALL])[CALL].term > before.term

    def test_what_the_dead_hold_may_be_released_by_anybody(self, leases: Leases) -> None:
        leases.renew(Worker("a"), LONG)
        leases.claim("a", [CALL])
        leases.retire("a")
        leases.release("b", [CALL])
        assert leases.holder(CALL) is None

    def test_a_call_is_given_to_the_worker_with_most_to_spare(self, leases: Leases) -> None:
        leases.renew(Worker("alone"), LONG)  # nobody can ask it
        leases.renew(Worker("busy", "http://busy", load=0.8), LONG)
        leases.renew(Worker("full", "http://full", load=1.0), LONG)
        leases.renew(Worker("idle", "http://idle"), LONG)
        leases.renew(Worker("leaving", "http://leaving", takes=False), LONG)
        given = leases.assign(CALL)
        assert given is not None
        assert (given.worker, given.url, given.good) == ("idle", "http://idle", True)
        again = leases.assign(CALL)
        assert again is not None
        assert again.term == given.term
        assert leases.renew(Worker("idle", "http://idle"), LONG) == {CALL: given.term}

    def test_equals_share_the_calls(self, leases: Leases) -> None:
        for name in ("a", "b", "c"):
            leases.renew(Worker(name, f"http://{name}"), LONG)
        given = [leases.assign(CallId(f"default:{number}")) for number in range(9)]
        shares = Counter(lease.worker for lease in given if lease is not None)
        assert shares == {"a": 3, "b": 3, "c": 3}

    def test_where_nobody_has_anything_to_spare_nobody_is_given_the_call(
        self, leases: Leases
    ) -> None:
        assert leases.assign(CALL) is None
        leases.renew(Worker("full", "http://full", load=1.2), LONG)
        _let_die(leases, "dead")
        assert leases.assign(CALL) is None
        assert leases.holder(CALL) is None

    def test_what_a_full_worker_holds_it_keeps(self, leases: Leases) -> None:
        leases.renew(Worker("a", "http://a"), LONG)
        leases.assign(CALL)
        leases.renew(Worker("a", "http://a", load=2.0, takes=False), LONG)
        kept = leases.assign(CALL)
        assert kept is not None
        assert kept.worker == "a"

    def test_the_roster_names_who_is_alive_with_what_they_hold(self, leases: Leases) -> None:
        leases.renew(Worker("b", "http://b", load=0.25, takes=False), LONG)
        leases.renew(Worker("a"), LONG)
        leases.claim("b", [CALL, OTHER])
        _let_die(leases, "dead")
        a, b = leases.roster()
        assert (a.worker, a.calls) == (Worker("a"), 0)
        assert (b.worker, b.calls) == (Worker("b", "http://b", 0.25, takes=False), 2)
        assert 0 < b.seconds <= LONG

    def test_of_many_who_claim_at_once_one_gets_each_call(
        self, opened: Callable[[], Leases]
    ) -> None:
        calls = [CallId(f"default:{number}") for number in range(20)]
        names = ("a", "b", "c", "d")
        with ExitStack() as stack:
            theirs = [stack.enter_context(closing(opened())) for _ in names]
            for name, leases in zip(names, theirs, strict=True):
                leases.renew(Worker(name), LONG)
            with ThreadPoolExecutor(len(names)) as threads:
                all_of_them = [calls] * len(names)
                told = list(threads.map(_claim_one_by_one, theirs, names, all_of_them))
            assert told[0] == told[1] == told[2] == told[3]
            held = [
                leases.renew(Worker(name), LONG).keys()
                for name, leases in zip(names, theirs, strict=True)
            ]
            assert sorted(cid for some in held for cid in some) == sorted(calls)

    def test_more_calls_than_fit_into_a_statement_are_taken_and_released(
        self, leases: Leases
    ) -> None:
        calls = [CallId(f"default:{number}") for number in range(1_234)]
        leases.renew(Worker("a"), LONG)
        assert len(leases.claim("a", calls)) == len(calls)
        held = leases.renew(Worker("a"), LONG)
        assert len({*held.values()}) == len(calls)
        leases.release("a", calls[1:])
        assert [*leases.renew(Worker("a"), LONG)] == calls[:1]

    def test_closed_it_says_so(self, opened: Callable[[], Leases]) -> None:
        leases = opened()
        leases.close()
        leases.close()
        with pytest.raises(StoreClosed):
            leases.roster()


def _let_die(leases: Leases, name: str) -> None:
    """Have the worker alive for a moment more; whatever it held, it holds no longer."""
    leases.renew(Worker(name, f"http://{name}"), SHORT)
    time.sleep(2 * SHORT)


def _claim_one_by_one(
    leases: Leases, name: str, calls: Sequence[CallId]
) -> list[tuple[CallId, str, int]]:
    """Who was told to hold each call, and in which term."""
    told = [leases.claim(name, [cid])[cid] for cid in calls]
    return [(lease.cid, lease.worker, lease.term) for lease in told]
