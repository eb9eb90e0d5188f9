"""Offers by the server over HTTP, as a client sees them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.http.conftest import PUBLISHING, Site, code, opened

from greenroom import Entry, errors
from greenroom.testing.descriptions import HOSTILE, TRICKLE, answer_sdp

if TYPE_CHECKING:
    import httpx2

AT = "/media/invitations"
HEARING = answer_sdp(("audio", "recvonly"))
TEXTS = {what: sdp for what, sdp in HOSTILE.items() if isinstance(sdp, str) and what != "an answer"}


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def ask(site: Site, ticket: str, *, after: Any = 0, wait: Any = 0) -> httpx2.Response:
    return site.ask("POST", f"{AT}?after={after}&wait={wait}", ticket)


def answer(
    site: Site, ticket: str, where: str, sdp: str | bytes = HEARING, kind: str = "application/sdp"
) -> httpx2.Response:
    return site.ask("PATCH", where, ticket, sdp, kind)


def publish(site: Site, user: str = "alice", kind: Any = "audio") -> Entry:
    """Somebody else comes, and is heard."""
    entry = site.join(user)
    site.media.connect(entry.entry_id)
    site.media.publish(entry.entry_id, kind)
    return entry


def invited(site: Site) -> tuple[Entry, str, httpx2.Response]:
    """Thierry has answered his first invitation."""
    publish(site)
    entry = site.join()
    ticket = entry.ticket()
    offered = ask(site, ticket)
    return entry, ticket, answer(site, ticket, offered.headers["location"])


def later(pool: ThreadPoolExecutor, site: Site, ticket: str, **asked: Any) -> Future[Any]:
    """Wait for an invitation, until it is certain that one does."""
    waiting = pool.submit(ask, site, ticket, wait=30, **asked)
    time.sleep(0.1)
    assert not waiting.done()
    return waiting


def test_an_invitation_is_an_offer_to_be_answered_at_a_place_of_its_own(site: Site) -> None:
    publish(site)
    entry = site.join()
    offered = ask(site, entry.ticket())
    assert (offered.status_code, offered.headers["content-type"]) == (201, "application/sdp")
    assert offered.text.count("m=audio") == 1
    assert offered.headers["location"] == f"{AT}/{entry.entry_id}/1"
    assert offered.headers["cache-control"] == "no-store"
    anew = ask(site, entry.ticket())
    assert anew.headers["location"] == f"{AT}/{entry.entry_id}/2"


def test_the_answer_begins_a_session_that_is_gone_on_with_and_ended_as_any(site: Site) -> None:
    entry, ticket, accepted = invited(site)
    assert (accepted.status_code, accepted.content) == (204, b"")
    where, tag = accepted.headers["location"], accepted.headers["etag"]
    assert where.startswith(f"/media/whep/{entry.entry_id}/")
    assert site.patch(ticket, where, TRICKLE, tag).status_code == 204
    assert site.ask("DELETE", where, ticket).status_code == 200
    assert entry.entry_id not in site.present()


def test_an_entry_that_sends_as_well_stays_when_it_receives_no_more(site: Site) -> None:
    entry, ticket, accepted = invited(site)
    site.post(ticket, PUBLISHING.replace("ice-ufrag:abcd", "ice-ufrag:efgh"))
    assert site.ask("DELETE", accepted.headers["location"], ticket).status_code == 200
    assert entry.entry_id in site.present()


def test_answering_twice_is_answering_once(site: Site) -> None:
    entry, ticket, accepted = invited(site)
    again = answer(site, ticket, f"{AT}/{entry.entry_id}/1")
    assert (again.status_code, again.headers["location"]) == (204, accepted.headers["location"])


def test_while_there_is_nobody_to_receive_there_is_nothing(site: Site) -> None:
    empty = ask(site, site.join().ticket())
    assert (empty.status_code, empty.content) == (204, b"")


def test_who_waits_is_invited_when_somebody_comes(site: Site, pool: ThreadPoolExecutor) -> None:
    _, ticket, _ = invited(site)
    waiting = later(pool, site, ticket, after=1)
    publish(site, "tommaso")
    offered = waiting.result(60)
    assert (offered.status_code, offered.text.count("m=audio")) == (201, 2)


def test_who_waits_and_is_put_out_is_told(site: Site, pool: ThreadPoolExecutor) -> None:
    _, ticket, _ = invited(site)
    waiting = later(pool, site, ticket, after=1)
    site.room.system("moderation").call("default", site.call_id).kick("thierry")
    refused = waiting.result(60)
    assert (refused.status_code, code(refused)) == (403, "entry_not_found")


@pytest.mark.slow
def test_who_asks_once_more_relieves_the_one_that_waits(
    site: Site, pool: ThreadPoolExecutor
) -> None:
    _, ticket, _ = invited(site)
    first = later(pool, site, ticket, after=1)
    second = later(pool, site, ticket, after=1)
    assert first.result(60).status_code == 204
    publish(site, "tommaso")
    assert second.result(60).status_code == 201


@pytest.mark.slow
def test_entries_wait_beside_each_other(site: Site, pool: ThreadPoolExecutor) -> None:
    thierry, alice = site.join("thierry").ticket(), site.join("alice").ticket()
    waiting = [later(pool, site, ticket) for ticket in (thierry, alice)]
    publish(site, "tommaso")
    assert [one.result(60).status_code for one in waiting] == [201, 201]


def test_a_client_that_goes_leaves_nothing_that_waits(site: Site) -> None:
    entry = site.join()
    messages = [{"type": "http.request", "body": b"x" * 100, "more_body": True}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {entry.ticket()}".encode())]
    scope = {
        "type": "http",
        "method": "POST",
        "path": AT,
        "headers": headers,
        "query_string": b"wait=60",
        "state": {"room": site.client.app_state["room"]},
    }
    began = time.monotonic()
    assert site.client.portal is not None
    site.client.portal.call(site.client.app, scope, receive, send)
    assert time.monotonic() - began < 50
    assert sent[0]["status"] == 204


def test_a_connection_that_is_over_is_said_to_be(site: Site) -> None:
    entry, ticket, _ = invited(site)
    site.media.lose(entry.entry_id)
    refused = ask(site, ticket, after=1)
    assert (refused.status_code, code(refused)) == (409, "connection_over")
    assert ask(site, ticket).status_code == 201


def test_a_ticket_that_has_expired_goes_on_and_begins_nothing(site: Site) -> None:
    publish(site)
    ticket = site.join().ticket(seconds=5)
    offered = ask(site, ticket)
    site.clock.advance(seconds=5)
    assert answer(site, ticket, offered.headers["location"]).status_code == 204
    publish(site, "tommaso")
    assert ask(site, ticket, after=1).status_code == 201
    refused = ask(site, ticket)
    assert (refused.status_code, code(refused)) == (401, "ticket_expired")


def test_a_ticket_to_publish_does_not_watch(site: Site) -> None:
    refused = ask(site, site.join().ticket("publish"))
    assert (refused.status_code, code(refused)) == (403, "not_allowed")


def test_a_ticket_dies_with_its_entry(site: Site) -> None:
    entry = site.join()
    entry.leave()
    refused = ask(site, entry.ticket())
    assert (refused.status_code, code(refused)) == (403, "entry_not_found")


def test_nobody_answers_for_others(site: Site) -> None:
    publish(site)
    thierry = site.join()
    where = ask(site, thierry.ticket()).headers["location"]
    stranger = site.join("tommaso").ticket()
    refused = answer(site, stranger, where)
    assert (refused.status_code, code(refused)) == (403, "not_allowed")
    assert site.ask("PATCH", where, None, HEARING, "application/sdp").status_code == 401
    assert site.ask("POST", AT).status_code == 401


@pytest.mark.parametrize("name", ["after", "wait"])
@pytest.mark.parametrize("said", ["", "-1", "x", "1.5", "1e3", "²", "9" * 16, "9" * 5_000])
def test_a_number_that_is_none_is_a_bad_request(site: Site, name: str, said: str) -> None:
    refused = ask(site, site.join().ticket(), **{name: said})
    assert (refused.status_code, code(refused)) == (400, "bad_request")


def test_nobody_waits_for_ever(site: Site) -> None:
    assert ask(site, site.join().ticket(), wait=61).status_code == 400


@pytest.mark.parametrize("number", ["0", "2", "x", "-1", "²", "9" * 16, "9" * 5_000])
def test_an_invitation_that_never_was_is_not_accepted(site: Site, number: str) -> None:
    publish(site)
    entry = site.join()
    ask(site, entry.ticket())
    refused = answer(site, entry.ticket(), f"{AT}/{entry.entry_id}/{number}")
    assert refused.status_code in (404, 422)
    assert answer(site, entry.ticket(), f"{AT}/{entry.entry_id}/1").status_code == 204


@pytest.mark.parametrize("what", TEXTS)
def test_a_hostile_answer_is_refused_at_once_and_the_invitation_stands(
    site: Site, what: str
) -> None:
    publish(site)
    entry = site.join()
    where = ask(site, entry.ticket()).headers["location"]
    began = time.process_time()
    sdp = TEXTS[what].replace("sendrecv", "recvonly").replace("actpass", "active")
    assert answer(site, entry.ticket(), where, sdp).status_code in (400, 413, 422)
    assert time.process_time() - began < 1
    assert answer(site, entry.ticket(), where).status_code == 204


@pytest.mark.parametrize("body", ["", "hello", b"\xff\xfe"])
def test_what_is_no_description_is_a_bad_request(site: Site, body: str | bytes) -> None:
    publish(site)
    entry = site.join()
    where = ask(site, entry.ticket()).headers["location"]
    refused = answer(site, entry.ticket(), where, body)
    assert (refused.status_code, code(refused)) == (400, "bad_request")
    refused = answer(site, entry.ticket(), where, HEARING, "text/plain")
    assert (refused.status_code, refused.headers["accept-patch"]) == (415, "application/sdp")


def test_who_does_not_take_an_offer_is_told(site: Site) -> None:
    refused = site.ask("POST", AT, site.join().ticket(), Accept="text/html")
    assert (refused.status_code, code(refused)) == (406, "not_acceptable")


def test_who_asks_too_often_is_told_to_wait(site: Site) -> None:
    ticket = site.join().ticket()
    refused = [one for _ in range(40) if (one := ask(site, ticket)).status_code == 429]
    assert refused
    assert all(int(one.headers["retry-after"]) >= 1 for one in refused)
    assert ask(site, site.join("alice").ticket()).status_code == 204


def test_whose_sound_is_on_which_line_is_told_to_the_entry(site: Site) -> None:
    ticket = site.join().ticket()
    assert site.ask("GET", "/media/slots", ticket).json() == {}
    site.post(ticket, answer_sdp(("audio", "recvonly")).replace("active", "actpass"), at="whep")
    told = site.ask("GET", "/media/slots", ticket)
    assert (told.json(), told.headers["cache-control"]) == ({"0": None}, "no-store")
    assert site.ask("GET", "/media/slots").status_code == 401


def test_options_say_what_may_be_done(site: Site) -> None:
    assert site.ask("OPTIONS", AT).headers["allow"] == "OPTIONS, POST"
    one = site.ask("OPTIONS", f"{AT}/some/1")
    assert one.headers["accept-patch"] == "application/sdp"
    assert site.ask("GET", AT).status_code == 405


def test_media_that_can_take_nobody_more_is_unavailable(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise errors.MediaOverloaded("no more of them")

    monkeypatch.setattr(site.media, "invite", full)
    refused = ask(site, site.join().ticket())
    assert (refused.status_code, code(refused)) == (503, "media_overloaded")


@pytest.mark.slow
def test_a_room_that_closes_lets_nobody_wait(pool: ThreadPoolExecutor) -> None:
    with opened() as site:
        waiting = later(pool, site, site.join().ticket())
        site.room.close()
        refused = waiting.result(60)
        assert (refused.status_code, code(refused)) == (503, "store_closed")
