"""WHIP (RFC 9725) and WHEP, as a client sees them."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from tests.http.conftest import PUBLISHING, WATCHING, Site, code, opened

from greenroom import errors
from greenroom.http.offers import links
from greenroom.ice import IceAccess
from greenroom.testing.media import HOSTILE, HOSTILE_FRAGMENTS, TRICKLE, Told, offer_sdp

TEXTS = {what: sdp for what, sdp in HOSTILE.items() if isinstance(sdp, str)}
FRAGMENTS = {what: said for what, said in HOSTILE_FRAGMENTS.items() if isinstance(said, str)}


def test_an_offer_to_send_is_answered_with_a_place_of_its_own(site: Site) -> None:
    entry = site.join()
    begun = site.post(entry.ticket())
    assert begun.status_code == 201
    assert begun.headers["content-type"] == "application/sdp"
    assert begun.text.startswith("v=0")
    assert begun.headers["location"].startswith(f"/media/whip/{entry.entry_id}/")
    assert begun.headers["etag"].strip('"') == begun.headers["location"].rpartition("/")[2]
    assert entry.slots() == {}


def test_an_offer_to_receive_is_answered_with_lines_to_receive_on(site: Site) -> None:
    entry = site.join()
    begun = site.post(entry.ticket(), WATCHING, at="whep")
    assert begun.status_code == 201
    assert begun.headers["location"].startswith(f"/media/whep/{entry.entry_id}/")
    assert set(entry.slots()) == {"0", "1"}


@pytest.mark.parametrize(("at", "lines"), [("whip", set()), ("whep", {"0", "1"})])
def test_an_offer_both_ways_is_taken_one_way(site: Site, at: str, lines: set[str]) -> None:
    entry = site.join()
    both = offer_sdp(("audio", "sendrecv"), ("video", "sendrecv"))
    assert site.post(entry.ticket(), both, at=at).status_code == 201
    assert set(entry.slots()) == lines


@pytest.mark.parametrize(
    ("at", "direction"),
    [("whip", "recvonly"), ("whip", "inactive"), ("whep", "sendonly"), ("whep", "inactive")],
)
def test_an_offer_in_the_wrong_direction_is_refused(site: Site, at: str, direction: str) -> None:
    wrong = offer_sdp(("audio", direction), ("video", direction))
    refused = site.post(site.join().ticket(), wrong, at=at)
    assert (refused.status_code, code(refused)) == (422, "media_error")


def test_a_line_that_is_used_no_more_stays_in_the_offer_and_is_inactive(site: Site) -> None:
    ticket = site.join().ticket()
    begun = site.post(ticket)
    less = offer_sdp(("audio", "sendonly"), ("video", "inactive"))
    assert site.post(ticket, less).headers["location"] == begun.headers["location"]


def test_a_client_that_begins_the_handshake_itself_is_refused(site: Site) -> None:
    eager = offer_sdp(("audio", "sendonly"), setup="active")
    refused = site.post(site.join().ticket(), eager)
    assert (refused.status_code, code(refused)) == (422, "media_error")


def test_a_client_that_waits_for_the_handshake_is_answered(site: Site) -> None:
    waiting = offer_sdp(("audio", "sendonly"), setup="passive")
    assert site.post(site.join().ticket(), waiting).status_code == 201


def test_offering_again_on_the_same_connection_keeps_the_place(site: Site) -> None:
    entry = site.join()
    begun = site.post(entry.ticket(), WATCHING, at="whep")
    more = offer_sdp(("audio", "recvonly"), ("video", "recvonly"), ("video", "recvonly"))
    again = site.post(entry.ticket(), more, at="whep")
    assert again.headers["location"] == begun.headers["location"]
    assert set(entry.slots()) == {"0", "1", "2"}


def test_a_client_is_told_of_the_servers_that_help_it_through(site: Site) -> None:
    begun = site.post(site.join().ticket())
    rows = begun.headers.get_list("link")
    known = r'; username="gu\"est"; credential="pass\\word"; credential-type="password"'
    assert rows == [
        '<stun:stun.example.org>; rel="ice-server"',
        '<turn:turn.example.org?transport=udp>; rel="ice-server"' + known,
        '<turns:turn.example.org>; rel="ice-server"' + known,
    ]


def test_a_client_that_cannot_learn_of_them_later_asks_beforehand(site: Site) -> None:
    ticket = site.join().ticket("watch")
    begun = site.post(ticket, WATCHING, at="whep")
    told = site.ask("OPTIONS", "/media/whep", ticket)
    assert told.headers.get_list("link") == begun.headers.get_list("link")
    assert told.headers["accept-post"] == "application/sdp"
    assert site.ask("OPTIONS", "/media/whip", ticket).status_code == 403
    assert "link" not in site.ask("OPTIONS", "/media/whep").headers


def test_what_no_header_can_carry_is_left_out() -> None:
    evil = IceAccess(urls=("turn:turn.example.org",), username="a\r\nSet-Cookie: b", credential="c")
    assert list(links([evil])) == []


# Who may


def test_without_a_ticket_a_client_is_asked_for_one(site: Site) -> None:
    refused = site.ask("POST", "/media/whip", None, PUBLISHING, "application/sdp")
    assert (refused.status_code, code(refused)) == (401, "ticket_required")
    assert refused.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("said", ["Basic abc", "Bearer", "Bearer ", "abc"])
def test_what_is_no_bearer_token_is_no_ticket(site: Site, said: str) -> None:
    refused = site.ask("POST", "/media/whip", Authorization=said)
    assert (refused.status_code, code(refused)) == (401, "ticket_required")


def test_a_forged_ticket_is_refused(site: Site) -> None:
    refused = site.post("A" * 100)
    assert (refused.status_code, code(refused)) == (401, "invalid_ticket")
    assert refused.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_an_expired_ticket_begins_nothing_and_ends_what_it_began(site: Site) -> None:
    entry = site.join()
    ticket = entry.ticket(seconds=5)
    begun = site.post(ticket)
    site.clock.advance(timedelta(seconds=5))
    refused = site.post(ticket)
    assert (refused.status_code, code(refused)) == (401, "ticket_expired")
    assert refused.json()["expired_at"].startswith("2026-01-01T00:")
    assert site.ask("DELETE", begun.headers["location"], ticket).status_code == 200


def test_a_ticket_to_watch_does_not_publish(site: Site) -> None:
    refused = site.post(site.join().ticket("watch"))
    assert (refused.status_code, code(refused)) == (403, "not_allowed")
    assert refused.json()["capability"] == "publish"


def test_a_ticket_dies_with_its_entry(site: Site) -> None:
    entry = site.join()
    site.post(entry.ticket())
    entry.leave()
    refused = site.post(entry.ticket())
    assert (refused.status_code, code(refused)) == (403, "entry_not_found")


def test_nobody_reaches_the_sessions_of_others(site: Site) -> None:
    begun = site.post(site.join("thierry").ticket())
    stranger = site.join("alice").ticket()
    where, tag = begun.headers["location"], begun.headers["etag"]
    for refused in (site.patch(stranger, where, TRICKLE, tag), site.ask("DELETE", where, stranger)):
        assert (refused.status_code, code(refused)) == (403, "not_allowed")
    assert site.ask("DELETE", where).status_code == 401


# What HTTP itself asks for


def test_what_is_no_session_description_is_refused_by_its_type(site: Site) -> None:
    refused = site.ask("POST", "/media/whip", site.join().ticket(), PUBLISHING, "text/plain")
    assert (refused.status_code, code(refused)) == (415, "unsupported_media_type")
    assert refused.headers["accept-post"] == "application/sdp"


def test_the_type_may_carry_parameters(site: Site) -> None:
    kind = "Application/SDP; charset=utf-8"
    begun = site.ask("POST", "/media/whip", site.join().ticket(), PUBLISHING, kind)
    assert begun.status_code == 201


@pytest.mark.parametrize(
    ("taken", "status"),
    [
        ("*/*", 201),
        ("application/sdp", 201),
        ("text/html, application/*;q=0.5", 201),
        ("text/html", 406),
        ("application/sdp;q=0, text/html", 406),
    ],
)
def test_who_does_not_take_the_answer_is_told(site: Site, taken: str, status: int) -> None:
    assert site.post(site.join().ticket(), Accept=taken).status_code == status


@pytest.mark.parametrize("body", ["", "hello", '{"sdp": "v=0"}', b"\xff\xfe"])
def test_what_cannot_be_read_is_a_bad_request(site: Site, body: str | bytes) -> None:
    refused = site.post(site.join().ticket(), body)
    assert (refused.status_code, code(refused)) == (400, "bad_request")


@pytest.mark.parametrize("length", [65_537, 5_000_000])
def test_what_is_too_big_is_refused_whether_it_says_so_or_not(site: Site, length: int) -> None:
    ticket = site.join().ticket()
    refused = site.post(ticket, "v=0" + "x" * length)
    assert (refused.status_code, code(refused)) == (413, "content_too_large")
    unannounced = site.client.post(
        "/media/whip",
        content=(b"x" * 8192 for _ in range(length // 8192 + 1)),
        headers={"Authorization": f"Bearer {ticket}", "Content-Type": "application/sdp"},
    )
    assert (unannounced.status_code, code(unannounced)) == (413, "content_too_large")


@pytest.mark.parametrize("what", TEXTS)
def test_a_hostile_offer_is_refused_at_once(site: Site, what: str) -> None:
    ticket = site.join().ticket()
    began = time.process_time()
    refused = site.post(ticket, TEXTS[what].replace("sendrecv", "sendonly"))
    assert refused.status_code in (400, 413, 422)
    assert time.process_time() - began < 1
    assert site.post(ticket).status_code == 201


@pytest.mark.parametrize("place", ["whip", "whep", "whip/some/session", "whep/some/session"])
def test_there_is_nothing_to_get(site: Site, place: str) -> None:
    for method in ("GET", "HEAD"):
        told = site.ask(method, f"/media/{place}")
        assert (told.status_code, told.content) == (204, b"")


@pytest.mark.parametrize(
    ("method", "place"),
    [("PUT", "whip"), ("PATCH", "whip"), ("DELETE", "whep"), ("POST", "whip/some/session")],
)
def test_a_method_that_has_no_meaning_is_refused(site: Site, method: str, place: str) -> None:
    refused = site.ask(method, f"/media/{place}")
    assert (refused.status_code, code(refused)) == (405, "method_not_allowed")
    assert "GET" in refused.headers["allow"]


def test_what_is_not_there_is_not_found(site: Site) -> None:
    refused = site.ask("POST", "/media/whap")
    assert (refused.status_code, code(refused)) == (404, "not_found")


def test_options_say_what_may_be_posted_and_patched(site: Site) -> None:
    assert site.ask("OPTIONS", "/media/whip").headers["accept-post"] == "application/sdp"
    session = site.ask("OPTIONS", "/media/whip/some/session")
    assert session.headers["accept-patch"] == "application/trickle-ice-sdpfrag"


def test_pages_of_any_origin_may_ask(site: Site) -> None:
    asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    wanted = {"Access-Control-Request-Headers": "authorization,content-type,if-match"}
    preflight = site.ask("OPTIONS", "/media/whep", **asked, **wanted)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert preflight.headers["accept-post"] == "application/sdp"
    refused = site.ask("POST", "/media/whep", Origin="https://example.org")
    assert refused.headers["access-control-allow-origin"] == "*"
    assert "Location" in refused.headers["access-control-expose-headers"]


# Sessions


def test_candidates_trickle_into_the_session(site: Site) -> None:
    ticket = site.join().ticket()
    begun = site.post(ticket)
    taken = site.patch(ticket, begun.headers["location"], TRICKLE, begun.headers["etag"])
    assert (taken.status_code, taken.content) == (204, b"")
    assert "etag" not in taken.headers


@pytest.mark.parametrize(
    ("tag", "status", "why"),
    [
        (None, 428, "precondition_required"),
        ('"other"', 412, "precondition_failed"),
        ("*", 422, "ice_restart"),
    ],
)
def test_candidates_name_the_session_they_are_for(
    site: Site, tag: str | None, status: int, why: str
) -> None:
    ticket = site.join().ticket()
    begun = site.post(ticket)
    refused = site.patch(ticket, begun.headers["location"], TRICKLE, tag)
    assert (refused.status_code, code(refused)) == (status, why)


def test_an_ice_restart_is_refused_and_the_session_goes_on(site: Site) -> None:
    ticket = site.join().ticket()
    begun = site.post(ticket)
    where, tag = begun.headers["location"], begun.headers["etag"]
    refused = site.patch(ticket, where, TRICKLE.replace("abcd", "dcba"), tag)
    assert (refused.status_code, code(refused)) == (422, "ice_restart")
    assert site.patch(ticket, where, TRICKLE, tag).status_code == 204


@pytest.mark.parametrize("what", FRAGMENTS)
def test_hostile_candidates_are_refused(site: Site, what: str) -> None:
    ticket = site.join().ticket()
    begun = site.post(ticket)
    where, tag = begun.headers["location"], begun.headers["etag"]
    assert site.patch(ticket, where, FRAGMENTS[what], tag).status_code in (400, 413)
    assert site.patch(ticket, where, TRICKLE, tag).status_code == 204


def test_candidates_of_another_type_are_refused(site: Site) -> None:
    ticket = site.join().ticket()
    begun = site.post(ticket)
    refused = site.ask("PATCH", begun.headers["location"], ticket, TRICKLE, "application/sdp")
    assert (refused.status_code, code(refused)) == (415, "unsupported_media_type")
    assert refused.headers["accept-patch"] == "application/trickle-ice-sdpfrag"


def test_a_session_that_was_replaced_is_gone(site: Site) -> None:
    ticket = site.join().ticket()
    begun = site.post(ticket)
    site.post(ticket, PUBLISHING.replace("ice-ufrag:abcd", "ice-ufrag:efgh"))
    gone = site.patch(ticket, begun.headers["location"], TRICKLE, begun.headers["etag"])
    assert gone.status_code == 404


def test_who_hangs_up_leaves_and_may_say_so_twice(site: Site) -> None:
    entry = site.join()
    ticket = entry.ticket()
    where = site.post(ticket).headers["location"]
    assert site.ask("DELETE", where, ticket).status_code == 200
    assert site.present() == []
    assert site.ask("DELETE", where, ticket).status_code == 200
    assert entry.leave().recorded == ()
    assert site.patch(ticket, where, TRICKLE, f'"{where.rpartition("/")[2]}"').status_code == 404


def test_who_hangs_up_late_does_not_end_what_came_in_its_place(site: Site) -> None:
    entry = site.join()
    ticket = entry.ticket()
    former = site.post(ticket).headers["location"]
    site.post(ticket, PUBLISHING.replace("ice-ufrag:abcd", "ice-ufrag:efgh"))
    assert site.ask("DELETE", former, ticket).status_code == 200
    assert site.present() == [entry.entry_id]
    assert Told("hang_up", entry.entry_id) in site.media.told


@pytest.mark.parametrize("name", ["***", "a", "%C3%A4", "A" * 500])
def test_a_session_that_never_was_changes_nothing(site: Site, name: str) -> None:
    entry = site.join()
    ticket = entry.ticket()
    begun = site.post(ticket)
    where = begun.headers["location"].rpartition("/")[0]
    gone = site.patch(ticket, f"{where}/{name}", TRICKLE, f'"{name}"')
    assert (gone.status_code, code(gone)) == (404, "not_found")
    site.ask("DELETE", f"{where}/{name}", ticket)
    assert site.patch(ticket, begun.headers["location"], TRICKLE, begun.headers["etag"]).is_success


# Trouble


@pytest.mark.slow
def test_an_entry_that_asks_too_often_is_told_to_wait_and_others_are_not(site: Site) -> None:
    thierry, alice = site.join("thierry").ticket(), site.join("alice").ticket()
    answers = [site.post(thierry) for _ in range(40)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(answers) - len(refused) >= 20
    assert {code(answer) for answer in refused} == {"too_many_requests"}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert site.post(alice).status_code == 201


def test_media_that_can_take_nobody_more_is_unavailable(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> str:
        raise errors.MediaOverloaded("no more of them")

    monkeypatch.setattr(site.media, "offer", full)
    refused = site.post(site.join().ticket())
    assert (refused.status_code, code(refused)) == (503, "media_overloaded")
    assert refused.headers["retry-after"] == "1"


def test_a_room_that_is_closed_is_unavailable_and_says_no_more() -> None:
    with opened() as site:
        ticket = site.join().ticket()
        site.room.close()
        refused = site.post(ticket)
        assert (refused.status_code, code(refused)) == (503, "store_closed")
        assert refused.json()["detail"] == "ask again later"
