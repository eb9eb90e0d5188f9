"""Real browsers in real calls, through the demo's page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, Route, sync_playwright
from tests.http.browsers import Site, Visitor, demo, eventually, visit

from greenroom.testing.peer import Peer
from greenroom.testing.signs import Sign

_PLACES = """(names) => {
    window.places = {};
    const look = () => {
        for (const button of document.querySelectorAll("button")) {
            const {x, y, height} = button.getBoundingClientRect();
            const name = button.textContent;
            if (!height || !names.includes(name)) continue;
            const seen = window.places[name] ??= [];
            if (!seen.includes(`${x} ${y}`)) seen.push(`${x} ${y}`);
        }
        requestAnimationFrame(look);
    };
    look();
}"""
"""Notes wherever these buttons come to be seen."""

pytestmark = pytest.mark.slow  # browsers

Visits = Callable[[str, Sign], Visitor]


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("devices")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with demo(tmp_path / "recordings") as site:
        yield site


@pytest.fixture
def visits(site: Site, playwright: Playwright, devices: Path) -> Iterator[Visits]:
    visitors: list[Visitor] = []

    def come(user: str, sign: Sign) -> Visitor:
        visitors.append(visit(playwright, site, user, sign, devices))
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.page.context.browser.close()  # type: ignore[union-attr]  # it was launched above
    assert [fault for visitor in visitors for fault in visitor.faults] == []


def test_two_browsers_and_a_peer_see_and_hear_each_other(site: Site, visits: Visits) -> None:
    thierry, alice = visits("thierry", "red"), visits("alice", "green")
    thierry.enter("default", "meeting", create=True)
    alice.enter("default", "meeting")
    with Peer("blue", addresses=None) as tommaso:
        entry = site.room.as_user("tommaso").call("default", "meeting").join()
        tommaso.join(entry.offer, others=2)
        assert thierry.sees("alice", "green")
        assert alice.sees("thierry", "red")
        for browser in (thierry, alice):
            assert browser.sees("tommaso", "blue")
            assert browser.receives_more()
        assert tommaso.until(
            lambda: (
                all(tommaso.sees[sign] > 5 for sign in ("red", "green"))
                and all(tommaso.hears[sign] > 5 for sign in ("red", "green"))
            )
        ), (tommaso.sees, tommaso.hears)
    history = [
        event.name for event in site.room.system("auditor").call("default", "meeting").history()
    ]
    assert history.count("session.joined") == 3


def test_a_host_sets_up_backstage_and_a_waiting_viewer_is_let_in_on_going_live(
    site: Site, visits: Visits
) -> None:
    thierry, alice = visits("thierry", "red"), visits("alice", "green")
    thierry.enter("livestream", "show", create=True)
    assert thierry.reads("backstage")
    alice.enter("livestream", "show")
    assert alice.reads("You will be let in as soon as the call goes live.")
    assert "not_live_yet" not in alice.page.locator("#problem").inner_text()
    thierry.press("Go live")
    assert alice.sees("thierry", "red")
    assert alice.receives_more()
    assert alice.page.get_by_role("button", name="Send camera and microphone").is_hidden()
    thierry.press("Stop live")
    assert alice.reads("The call went back to backstage.")


def test_who_is_kicked_receives_nothing_any_more_and_is_told(site: Site, visits: Visits) -> None:
    thierry, alice = visits("thierry", "red"), visits("alice", "green")
    thierry.enter("default", "meeting", create=True)
    alice.enter("default", "meeting")
    assert alice.sees("thierry", "red")
    assert thierry.sees("alice", "green")
    thierry.press("Kick alice")
    assert alice.reads("You were put out by thierry.")
    assert eventually(lambda: thierry.page.locator("figure").count() == 1)
    assert eventually(thierry.receives_nothing)
    alice.enter("default", "meeting")
    assert alice.sees("thierry", "red")


def test_a_host_records_and_everybody_is_shown_that(
    site: Site, visits: Visits, tmp_path: Path
) -> None:
    thierry, alice = visits("thierry", "red"), visits("alice", "green")
    thierry.enter("default", "meeting", create=True)
    thierry.press("Record")
    for browser in (thierry, alice):
        if browser is alice:
            alice.enter("default", "meeting")  # who comes later is shown it as well
        browser.page.get_by_role("status").filter(has_text="Recording").wait_for()
    assert alice.sees("thierry", "red")
    assert alice.page.get_by_role("button", name="Stop recording").is_hidden()
    thierry.press("Stop recording")
    for browser in (thierry, alice):
        sign = browser.page.locator("#recording")
        assert eventually(lambda sign=sign: not sign.inner_text())  # type: ignore[misc]  # bound
    assert thierry.page.get_by_role("button", name="Record", exact=True).is_visible()
    call = site.room.system("auditor").call("default", "meeting")
    assert eventually(lambda: {one.user_id for one in call.recordings()[0].tracks} >= {"thierry"})
    for track in call.recordings()[0].tracks:
        assert (tmp_path / "recordings" / track.file.name).stat().st_size == track.file.bytes


def test_a_button_stays_the_same_while_others_come(site: Site, visits: Visits) -> None:
    """Or a click would be lost that begins on one and ends on the next."""
    thierry = visits("thierry", "red")
    thierry.enter("default", "still", create=True)
    assert thierry.reads("thierry (you)")
    site.room.as_user("alice").call("default", "still").join()
    kick = thierry.page.get_by_role("button", name="Kick alice").element_handle()
    site.room.as_user("tommaso").call("default", "still").join()
    thierry.page.get_by_role("button", name="Kick tommaso").wait_for()
    assert kick.evaluate("(button) => button.isConnected")


def test_a_button_stays_where_it_is_while_others_come(site: Site, visits: Visits) -> None:
    """Or a click would be lost that begins before one comes and ends after it."""
    thierry = visits("thierry", "red")
    thierry.page.evaluate(_PLACES, ["Go live", "End for everybody", "Leave"])
    thierry.enter("livestream", "firm", create=True)
    assert thierry.reads("Mute microphone")
    assert thierry.sees("thierry", "red")
    site.room.as_user("thierry").call("livestream", "firm").go_live()
    assert thierry.reads("Stop live")
    places = thierry.page.evaluate("window.places")
    assert {button: len(seen) for button, seen in places.items()} == {
        "Go live": 1,
        "End for everybody": 1,
        "Leave": 1,
    }, places


def test_a_history_that_was_refused_is_asked_for_again(site: Site, visits: Visits) -> None:
    thierry = visits("thierry", "red")
    refused: list[Route] = []

    def refuse(route: Route) -> None:
        refused.append(route)
        route.fulfill(status=503) if len(refused) == 1 else route.continue_()

    thierry.page.route("**/history", refuse)
    thierry.enter("default", "busy", create=True)
    assert thierry.reads("session.joined")
    assert len(refused) == 2
    assert thierry.page.get_by_text("call.created").count() == 1


def test_the_page_is_used_by_keyboard_alone(site: Site, visits: Visits) -> None:
    thierry = visits("thierry", "red")
    keys = thierry.page.keyboard
    thierry.page.get_by_label("Your name").wait_for()
    keys.press("Tab")
    assert thierry.focused() == "Skip to the content"
    keys.press("Enter")
    keys.press("Tab")
    keys.press("Control+a")
    keys.type("tommaso")
    for _ in range(4):
        keys.press("Tab")
    assert thierry.focused() == "Create and join"
    keys.press("Enter")
    assert thierry.reads("tommaso (you)")
    for _ in range(20):
        keys.press("Tab")
        if thierry.focused() == "Leave":
            break
    assert thierry.focused() == "Leave"
    keys.press("Enter")
    assert thierry.reads("Create or join a call")
    call = site.room.system("auditor").call("default", "studio")
    assert eventually(lambda: "session.left" in [event.name for event in call.history()])


def test_a_refusal_is_shown_with_its_code_and_what_would_help(visits: Visits) -> None:
    thierry = visits("thierry", "red")
    thierry.enter("default", "nowhere")
    alert = thierry.page.get_by_role("alert")
    alert.get_by_text("call_not_found").wait_for()
    assert "create it first" in alert.inner_text()
    thierry.press("Dismiss")
    assert alert.inner_text() == ""


def test_who_is_muted_by_the_host_is_told_and_may_unmute(site: Site, visits: Visits) -> None:
    thierry, alice = visits("thierry", "red"), visits("alice", "green")
    thierry.enter("default", "meeting", create=True)
    alice.enter("default", "meeting")
    assert thierry.sees("alice", "green")
    assert thierry.receives_more()
    thierry.press("Mute alice")
    assert alice.reads("thierry has muted you (audio)")
    microphone = alice.page.get_by_role("button", name="Mute microphone")
    assert microphone.get_attribute("aria-pressed") == "true"
    microphone.click()
    assert eventually(lambda: microphone.get_attribute("aria-pressed") == "false")
    assert thierry.receives_more()


def test_a_page_that_is_loaded_again_is_the_same_entry(site: Site, visits: Visits) -> None:
    thierry, alice = visits("thierry", "red"), visits("alice", "green")
    thierry.enter("default", "meeting", create=True)
    alice.enter("default", "meeting")
    assert thierry.sees("alice", "green")
    call = site.room.system("auditor").call("default", "meeting")
    before = {item.entry_id for item in call.query_participants().items}
    alice.page.reload()
    assert alice.sees("thierry", "red")
    assert thierry.sees("alice", "green")
    assert thierry.receives_more()
    assert alice.receives_more()
    assert {item.entry_id for item in call.query_participants().items} == before
    assert "session.left" not in [event.name for event in call.history()]


def test_a_viewer_who_is_let_send_is_seen_without_joining_again(site: Site, visits: Visits) -> None:
    thierry, alice = visits("thierry", "red"), visits("alice", "green")
    thierry.enter("livestream", "show", create=True)
    thierry.press("Go live")
    assert thierry.reads("call.went_live")
    alice.enter("livestream", "show")
    assert alice.sees("thierry", "red")
    thierry.press("Let send alice")
    assert alice.reads("thierry lets you send.")
    alice.press("Send camera and microphone")
    assert thierry.sees("alice", "green")
    call = site.room.system("auditor").call("livestream", "show")
    assert [event.name for event in call.history()].count("session.joined") == 2


def test_a_connection_that_breaks_is_made_again_by_the_page(site: Site, visits: Visits) -> None:
    thierry, alice = visits("thierry", "red"), visits("alice", "green")
    thierry.enter("default", "meeting", create=True)
    alice.enter("default", "meeting")
    assert alice.sees("thierry", "red")
    assert thierry.sees("alice", "green")
    call = site.room.system("auditor").call("default", "meeting")
    (entry_id,) = (item.entry_id for item in call.query_participants({"user_id": "alice"}).items)
    broken = alice.connections()
    assert len(broken) == 2
    media = site.room._core.media
    assert media is not None
    for ufrag in broken:
        media.hang_up(call.cid, entry_id, ufrag)
    assert eventually(
        lambda: len(alice.connections()) == 2 and not set(broken) & set(alice.connections())
    )
    assert thierry.receives_more()
    assert alice.receives_more()
    assert "session.left" not in [event.name for event in call.history()]


def test_a_screen_is_shared_beside_the_camera_and_taken_back(site: Site, visits: Visits) -> None:
    thierry, alice = visits("thierry", "red"), visits("alice", "green")
    thierry.enter("default", "meeting", create=True)
    alice.enter("default", "meeting")
    assert alice.sees("thierry", "red")
    thierry.press("Share screen")
    assert alice.sees_screen("thierry")
    assert alice.sees("thierry", "red")
    thierry.press("Stop sharing")
    screen = alice.page.locator('video[aria-label="Screen of thierry"]')
    assert eventually(lambda: screen.count() == 0)
    assert alice.sees("thierry", "red")
    thierry.press("Share screen")
    assert alice.sees_screen("thierry")
    site.room.system("moderation").call("default", "meeting").mute(["thierry"], screenshare=True)
    assert thierry.reads("moderation has muted you (screenshare)")
    assert eventually(lambda: screen.count() == 0)
